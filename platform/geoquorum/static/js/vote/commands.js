/* What the keys do that every kind of sample has; the stage adds its own, and each class has its key. */

import { showHelp } from "../shell.js";
import { word } from "./words.js";

/* Acts also while nothing is shown or the clock stands still. */
const ALWAYS = new Set(["P", "H", "Backspace", "R"]);

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

export const isAlways = (key) => ALWAYS.has(key);
