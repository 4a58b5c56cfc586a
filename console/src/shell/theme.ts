export type Theme = "light" | "dark" | "system";
const KEY = "cloister.theme";

/** The colours that were chosen in this browser. */
export function chosenTheme(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "system";
  } catch {
    return "system";
  }
}

/** Chooses colours, now and from now on. */
export function chooseTheme(theme: Theme): void {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // for this page alone, then
  }
  window.dispatchEvent(new CustomEvent("cloister-theme", { detail: theme })); // theme.js shows it
}
