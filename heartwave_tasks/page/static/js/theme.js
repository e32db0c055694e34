// Light or dark: as Airflow's page around this one, else as the system.

const system = matchMedia("(prefers-color-scheme: dark)");

function around() {
  try {
    if (window.parent !== window) return window.parent.document.documentElement;
  } catch { /* another site's page: none of our business */ }
  return null;
}

function isDark() {
  const frame = around();
  if (frame?.classList.contains("dark")) return true;
  if (frame?.classList.contains("light")) return false;
  const chosen = localStorage.getItem("theme");
  return chosen === "dark" || (chosen !== "light" && system.matches);
}

/** Follow the theme, and call back when it changes: canvases are drawn anew. */
export function followTheme(changed) {
  const apply = () => {
    const dark = isDark();
    if (document.documentElement.classList.contains("dark") === dark) return;
    document.documentElement.classList.toggle("dark", dark);
    changed();
  };
  document.documentElement.classList.toggle("dark", isDark());
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  const frame = around();
  if (frame) new MutationObserver(apply).observe(frame, { attributes: true, attributeFilter: ["class"] });
}

/** Colours of the theme by name, for canvases. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  return new Proxy({}, { get: (_, name) => style.getPropertyValue(`--${String(name)}`).trim() });
}

/** The colour of a class, or of a beat that has none. */
export function tintOf(colour, name) {
  return colour[(name ?? "u").toLowerCase()];
}
