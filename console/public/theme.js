// Before anything is painted: the colours that were chosen in this browser, if any were.
(() => {
  try {
    const chosen = localStorage.getItem("cloister.theme");
    if (chosen === "light" || chosen === "dark")
      document.documentElement.dataset.theme = chosen;
  } catch {
    // without storage, the system's colours
  }
})();
