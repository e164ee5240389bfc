/* A person's own keys. `keys` swaps keys: {"S": "W", "W": "S"} means that W does what S is said to do, and S what W is.
   With `isOn` false no single key acts (WCAG 2.1.4); Ctrl+Z, Tab and Escape stay. */

export class Keymap {
  constructor({ keys = {}, single_keys: isOn = true } = {}) {
    this.isOn = isOn;
    this.keys = keys;
    this.meant = new Map(Object.entries(keys).map(([meant, pressed]) => [pressed, meant]));
  }

  /* What a press (from `readKey`) means, or null. */
  read(press) {
    if (!press || (!this.isOn && !press.isFixed)) return null;
    return press.isFixed ? press : { ...press, key: this.meant.get(press.key) ?? press.key };
  }

  /* The key to press for what a page calls `key`; "Shift+T" keeps its Shift. */
  keyFor(key) {
    const [, shift = "", name] = /^(Shift\+)?(.+)$/s.exec(key);
    return shift + (this.keys[name] ?? name);
  }

  /* Writes the person's own keys on every key cap. */
  label(root) {
    for (const cap of root.querySelectorAll("kbd.key")) {
      const own = this.keyFor((cap.dataset.cap ??= CAPS[cap.textContent.trim()] ?? cap.textContent.trim()));
      if (own !== cap.dataset.cap) cap.textContent = signOf(own);
      cap.hidden = !this.isOn;
    }
    for (const control of root.querySelectorAll("[data-key][aria-keyshortcuts]")) {
      if (this.isOn) control.setAttribute("aria-keyshortcuts", this.keyFor(control.dataset.key));
      else control.removeAttribute("aria-keyshortcuts");
    }
  }
}

const CAPS = { "⌫": "Backspace", "↑": "ArrowUp", "↓": "ArrowDown", "←": "ArrowLeft", "→": "ArrowRight" };
const SIGNS = Object.fromEntries(Object.entries(CAPS).map(([sign, name]) => [name, sign]));

/* A key's name as it is printed on a cap: arrows as arrows. */
export const signOf = (key) => key.replace(/(Backspace|Arrow\w+)$/, (name) => SIGNS[name]);
