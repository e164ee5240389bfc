/* The own areas in the rail: class, size, what is unusual, and what can be done with each. */

import { saySize } from "../vote/area_facts.js";
import { word } from "../vote/words.js";

export class AreaList {
  constructor(root, scheme, { onDo }) {
    Object.assign(this, { root, scheme });
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-of]");
      if (button) onDo(button.dataset.what, Number(button.dataset.of));
    });
  }

  show(areas) {
    this.root.replaceChildren(...areas.map((area) => this.row(area)).reverse());
    document.querySelector("[data-own-count]").textContent = areas.length;
    document.querySelector("[data-own-none]").hidden = areas.length > 0;
  }

  row(area) {
    const label = this.scheme.classes.find((one) => one.code === area.code);
    const row = document.createElement("li");
    const chip = Object.assign(document.createElement("span"), { className: `chip swatch-${this.scheme.name}-${area.code}`, textContent: area.code });
    const words = Object.assign(document.createElement("span"), { className: "grow", textContent: `${label?.name ?? ""}, ${saySize(area.m2)}` });
    if (area.marks.length) words.append(Object.assign(document.createElement("small"), { className: "mark", textContent: area.marks.join("; ") }));
    row.append(chip, words, ...["show", "change", "remove"].map((what) => this.button(what, area, label)));
    return row;
  }

  button(what, area, label) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "button small quiet", textContent: word(what) });
    button.setAttribute("aria-label", `${word(what)}: ${label?.name ?? area.code}, ${saySize(area.m2)}`);
    Object.assign(button.dataset, { what, of: area.id });
    return button;
  }
}
