/* The list of keys: every command with its title, as the page has them. */

import { signOf } from "./keymap.js";

const HIDDEN = ["Shift"]; // told in words above the list

export function fillKeyTable(list, commands) {
  const rows = Object.entries(commands).filter(([key]) => !HIDDEN.includes(key));
  for (const [key, { title }] of rows) {
    const term = list.appendChild(document.createElement("dt"));
    const cap = term.appendChild(document.createElement("kbd"));
    cap.className = "key";
    cap.dataset.cap = key;
    cap.textContent = signOf(key);
    list.appendChild(document.createElement("dd")).textContent = title;
  }
}
