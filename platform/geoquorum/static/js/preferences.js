/* The page of keys and display: every change is kept at once. */

import { listRows } from "./key_rows.js";
import { applyLook } from "./look.js";
import { post } from "./vote/api.js";
import { Keymap, signOf } from "./vote/keymap.js";
import { nameKey } from "./vote/keys.js";
import { word } from "./vote/words.js";

const KEY = /^(?:[^\sa-z?]|Backspace|Delete|Space|Home|End|PageUp|PageDown|Arrow(?:Up|Down|Left|Right))$/;
const find = (name) => document.querySelector(`[data-${name}]`);

class Preferences {
  constructor({ preferences, save, rows }) {
    Object.assign(this, { values: preferences, url: save, rows, chosen: null, wish: null, sending: Promise.resolve() });
    this.form = find("display");
    this.fillForm();
    this.form.addEventListener("change", () => this.readForm());
    document.addEventListener("keydown", (event) => this.press(event), { capture: true });
    find("rows").addEventListener("click", (event) => this.choose(event.target.closest("button")?.dataset.of));
    find("swap").addEventListener("click", () => this.swap());
    find("leave").addEventListener("click", () => this.choose(null));
    find("defaults").addEventListener("click", () => this.keep({ keys: {} }));
    this.draw();
  }

  fillForm() {
    const { theme, palette, text, single_keys: hasSingle } = this.values;
    for (const [name, value] of Object.entries({ theme, palette, text })) this.form.elements[name].value = value;
    this.form.elements.single_keys.checked = hasSingle;
  }

  readForm() {
    const { theme, palette, text, single_keys: single } = this.form.elements;
    this.keep({ theme: theme.value, palette: palette.value, text: text.value, single_keys: single.checked });
  }

  /* Shown at once, sent one after the other, so that the last choice is the one that stays. */
  keep(changes) {
    this.values = { ...this.values, ...changes };
    find("status").textContent = "";
    applyLook(this.values);
    this.choose(null);
    this.sending = this.sending.then(() => this.send(this.values));
  }

  async send(values) {
    const { status, body } = await post(this.url, values);
    if (values !== this.values) return;
    find("status").textContent = status === 200 ? word("saved") : word("not-saved", { error: body.error ?? `HTTP ${status}` });
  }

  // Keys

  choose(key) {
    Object.assign(this, { chosen: key && key !== this.chosen ? key : null, wish: null });
    find("conflict").hidden = true;
    this.draw();
  }

  press(event) {
    if (!this.chosen || this.wish || ["Tab", "Shift", "Control", "Alt", "Meta", "Enter"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") return this.choose(null);
    const pressed = nameKey(event);
    if (!KEY.test(pressed)) find("status").textContent = word("no-key", { key: pressed });
    else this.want(pressed);
  }

  /* Free keys are taken at once; of a held one its holder is named first. */
  want(pressed) {
    const { keys } = this.values;
    const meant = Object.keys(keys).find((key) => keys[key] === pressed) ?? pressed;
    const holder = this.rows.find((row) => row.key === meant);
    this.wish = { pressed, meant };
    if (meant === this.chosen) return this.choose(null);
    if (!holder) return this.swap();
    find("conflict").hidden = false;
    find("conflict-text").textContent = word("held", { key: signOf(pressed), holder: holder.titles.join("; "), other: signOf(keys[this.chosen] ?? this.chosen) });
    find("swap").focus();
  }

  swap() {
    const { pressed, meant } = this.wish;
    const whole = { ...this.values.keys, [this.chosen]: pressed, [meant]: this.values.keys[this.chosen] ?? this.chosen };
    this.keep({ keys: Object.fromEntries(Object.entries(whole).filter(([key, now]) => key !== now)) });
  }

  draw() {
    const keymap = new Keymap(this.values);
    find("rows").replaceChildren(...this.rows.map(({ key, titles }) => this.drawRow(key, titles, keymap.keyFor(key))));
    if (this.chosen) find("rows").querySelector("[aria-pressed=true]").focus();
  }

  drawRow(key, titles, now) {
    const row = document.createElement("tr");
    row.insertCell().append(...titles.flatMap((title) => [title, document.createElement("br")]).slice(0, -1));
    const button = row.insertCell().appendChild(document.createElement("button"));
    const isChosen = key === this.chosen;
    Object.assign(button, { type: "button", className: `button key-button${now === key ? "" : " moved"}` });
    button.dataset.of = key;
    button.setAttribute("aria-pressed", String(isChosen));
    button.setAttribute("aria-label", `${titles[0]}: ${now}`);
    if (isChosen) button.append(word("press"));
    else button.appendChild(Object.assign(document.createElement("kbd"), { className: "key", textContent: signOf(now) }));
    return row;
  }
}

const config = JSON.parse(document.getElementById("preferences-config").textContent);
new Preferences({ ...config, rows: await listRows(config) });
document.body.dataset.ready = "yes";
