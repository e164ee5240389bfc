/* What the keys do that every kind of sample has; the stage adds its own, and each class has its key. */

import { showHelp } from "../shell.js";
import { word } from "./words.js";

/* Acts also while nothing is shown or the clock stands still. */
const ALWAYS = new Set(["P", "H", "Backspace", "R", "Escape"]);

export function makeCommands(page) {
  const { choices, dialogs } = page;
  return {
    S: { title: word("key-skip"), run: () => dialogs.openSkip() },
    K: { title: word("key-second"), run: () => choices.askSecond() },
    Shift: { title: word("unsure"), run: () => choices.turnUnsure() },
    Backspace: { title: word("key-undo"), run: () => page.takeBack() },
    ArrowLeft: { title: word("key-back"), run: () => page.walk(-1) },
    ArrowRight: { title: word("key-forward"), run: () => page.walk(1) },
    N: { title: word("key-note"), run: () => dialogs.openNote(choices.note) },
    L: { title: word("key-raise"), run: () => page.raise() },
    R: { title: word("key-cards"), run: () => page.openCards() },
    P: { title: word("key-pause"), run: () => page.pause() },
    Escape: { title: word("key-leave"), run: () => page.leave() },
    H: { title: word("key-help"), run: showHelp },
  };
}

/* Where a question gives a command's key to a class, the command has another: [[key, other key], ...]. Buttons follow. */
export function moveKeys(commands, moved) {
  const other = new Map(moved);
  for (const button of document.querySelectorAll("button[data-key]:not([data-code])")) {
    const key = other.get(button.dataset.key);
    if (!key) continue;
    button.dataset.key = key;
    button.setAttribute("aria-keyshortcuts", key);
    const cap = button.querySelector("kbd.key");
    if (cap) cap.textContent = key;
  }
  return Object.fromEntries(Object.entries(commands).map(([key, command]) => [other.get(key) ?? key, command]));
}

export const isAlways = (key) => ALWAYS.has(key);
