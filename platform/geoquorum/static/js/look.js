/* A person's display choices on the page at hand; later pages have them from cookies. */

export function applyLook({ theme, palette, text, single_keys: hasSingle }) {
  Object.assign(document.documentElement.dataset, { theme, palette, text, keys: hasSingle ? "on" : "off" });
}
