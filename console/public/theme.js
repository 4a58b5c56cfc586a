// Before anything is painted, and from then on: the colours that were chosen in this browser,
// else the system's.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try {
    chosen = localStorage.getItem("cloister.theme");
  } catch {
    // without storage, the system's colours
  }
  const show = () => {
    const system = dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme =
      chosen === "light" || chosen === "dark" ? chosen : system;
  };
  dark.addEventListener("change", show);
  window.addEventListener("cloister-theme", (event) => {
    chosen = event.detail;
    show();
  });
  show();
})();
