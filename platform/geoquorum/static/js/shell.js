/* What every page does: theme, menus, the list of keys, times in the viewer's zone. */

const YEAR_S = 31_536_000;

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
}

function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=${YEAR_S}; samesite=lax`;
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
}

export function isTyping(event) {
  return event.isComposing || Boolean(event.target.closest?.("input, textarea, select, [contenteditable]"));
}

export function showHelp() {
  const help = document.getElementById("help");
  if (help.open) help.close();
  else if (!document.querySelector("dialog[open]")) help.showModal();
}

function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    time.dataset.local = "yes";
    time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  }
}

document.querySelector("[data-theme-toggle]")?.addEventListener("click", toggleTheme);
document.addEventListener("click", (event) => closeMenus(event.target.closest?.("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenus(null);
  if (event.key === "?" && document.documentElement.dataset.keys !== "off" && !event.repeat && !event.ctrlKey && !event.metaKey && !isTyping(event)) showHelp();
});
document.addEventListener("htmx:load", (event) => showLocalTimes(event.target));
showLocalTimes(document);
