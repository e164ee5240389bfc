/* A key press by the name that the page uses: "0".."9", "A".."Z", "+", "-", or the browser's name such as "Backspace".
   `isFixed` presses (Ctrl+Z, Esc) are nobody's to change.
   Digits come from `event.code` (they lie elsewhere on French keyboards), letters from `event.key`. */

const NAMES = { " ": "Space" };
const MODIFIERS = ["Shift", "Control", "Alt", "AltGraph", "Meta"];

export function readKey(event) {
  if (event.defaultPrevented || event.repeat || event.isComposing || event.altKey || MODIFIERS.includes(event.key) || isElsewhere(event)) return null;
  if (event.ctrlKey || event.metaKey) return event.key.toLowerCase() === "z" && !event.shiftKey ? { key: "Backspace", isFixed: true } : null;
  return { key: nameKey(event), isShift: event.shiftKey, isFixed: event.key === "Escape" };
}

export function nameKey(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code ?? "")?.[1];
  return digit ?? NAMES[event.key] ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key);
}

/* In a field, in a dialog, or on a control that uses the space bar itself. A dialog that has just been closed may hold
   the focus for a moment longer; what is pressed then is meant for the page. */
function isElsewhere(event) {
  const target = event.target;
  if (document.querySelector("dialog[open]")) return true;
  if (target.closest?.("dialog")) return false;
  if (target.closest?.("input, textarea, select, [contenteditable]")) return true;
  return (event.key === " " || event.key === "Enter") && Boolean(target.closest?.("button, a, summary"));
}
