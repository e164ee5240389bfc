/* A key press as a command, or null. Digits come from `event.code` (they lie elsewhere on French keyboards), letters
   from `event.key`. */

const COMMANDS = {
  S: "skip", K: "second", T: "season", V: "view", N: "note", I: "probe", R: "cards", X: "reset", M: "zoom", H: "help", P: "pause",
};
const PLAIN = {
  Backspace: "undo", " ": "outline", ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  "+": "zoom", "-": "zoom",
};

export function readKey(event, classKeys) {
  if (event.defaultPrevented || event.repeat || event.isComposing || event.altKey || isElsewhere(event)) return null;
  if (event.ctrlKey || event.metaKey) return event.key.toLowerCase() === "z" && !event.shiftKey ? { name: "undo" } : null;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
  const sign = digit ?? (event.key.length === 1 ? event.key.toUpperCase() : null);
  if (sign !== null && Object.hasOwn(classKeys, sign)) {
    return { name: "class", code: classKeys[sign], isSure: !event.shiftKey };
  }
  const name = PLAIN[event.key] ?? COMMANDS[sign];
  return name ? { name, isBack: event.shiftKey } : null;
}

/* In a field, in a dialog, or on a control that uses the space bar itself. */
function isElsewhere(event) {
  const target = event.target;
  if (target.closest?.("input, textarea, select, dialog, [contenteditable]") || document.querySelector("dialog[open]")) return true;
  return event.key === " " && Boolean(target.closest?.("button, a, summary"));
}
