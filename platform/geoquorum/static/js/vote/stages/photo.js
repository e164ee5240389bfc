/* The stage of street views: the photo, where it was taken on a picture from above, and a box around the building. */

import { Box } from "../box.js";
import { Locator } from "../locator.js";
import { Photos } from "../photos.js";
import { Pictures } from "../pictures.js";
import { word } from "../words.js";

const BRIGHTER = 1.15;
const KEYS = { B: "key-box", Delete: "key-box-away", T: "key-date", X: "key-reset", ArrowUp: "key-brighter", ArrowDown: "key-darker" };

export class Stage {
  constructor(root, page, hooks) {
    Object.assign(this, { root, page, hooks, photos: new Photos(), opened: new Set(), brightness: 1 });
    const find = (name) => root.querySelector(`[data-${name}]`);
    this.parts = { image: find("photo"), frame: find("photo-frame"), message: find("photo-message") };
    this.facts = find("photo-facts");
    this.locator = new Locator(find("locator"), page, new Pictures(page));
    this.field = page.question.fields.find((field) => field.kind === "box");
    this.box = new Box(this.parts.frame, find("box"), { onChange: (name) => this.sayBox(name) });
    this.boxButton = find("box-button");
    this.commands = this.makeCommands();
  }

  static keys() {
    return Object.fromEntries(Object.entries(KEYS).map(([key, name]) => [key, word(name)]));
  }

  makeCommands() {
    const runs = {
      B: () => this.box.toggle(),
      Delete: () => this.box.remove(),
      T: ({ isShift }) => this.turn(() => this.locator.turnSeason(isShift ? -1 : 1)),
      X: () => this.brighten(1 / this.brightness),
      ArrowUp: () => this.brighten(BRIGHTER),
      ArrowDown: () => this.brighten(1 / BRIGHTER),
    };
    const titles = Stage.keys();
    return Object.fromEntries(Object.entries(runs).map(([key, run]) => [key, { title: titles[key], run }]));
  }

  async show(sample, entry) {
    this.shown = sample;
    const { content = {} } = sample;
    const box = entry?.answer?.[this.field?.name];
    this.box.set(Array.isArray(box) ? box : null);
    this.parts.image.alt = word("photo-of", { place: this.page.regions[sample.region]?.name ?? "" });
    this.facts.textContent = describe(content);
    const isStillWanted = () => this.shown === sample;
    await Promise.all([this.photos.show(content.photo, this.parts, isStillWanted), this.locator.show(sample)]);
    if (!isStillWanted()) return false;
    this.opened.add("photo");
    if (content.place) this.opened.add(this.locator.opened);
    return true;
  }

  prefetch(sample) {
    this.photos.prefetch(sample.content?.photo);
    this.locator.prefetch(sample);
  }

  answer() {
    return this.box.value && this.field ? { [this.field.name]: this.box.value } : null;
  }

  forget() {
    this.opened = new Set();
    this.box.set(null);
  }

  sayBox(name) {
    this.boxButton.setAttribute("aria-pressed", String(this.box.isEdited));
    this.hooks.say(word(name));
  }

  async turn(change) {
    await change();
    if (this.shown?.content?.place) this.opened.add(this.locator.opened);
  }

  brighten(times) {
    this.brightness = Math.min(3, Math.max(0.4, this.brightness * times));
    this.parts.image.style.filter = `brightness(${this.brightness.toFixed(2)})`;
  }
}

/* "Looks west (271°), 69° wide" as far as the photo says. */
function describe({ heading_deg: heading, field_of_view_deg: view }) {
  if (heading === null || heading === undefined) return word("no-heading");
  const winds = word("winds").split(" ");
  const wind = winds[Math.round(heading / 45) % 8];
  return word(view ? "looks-wide" : "looks", { wind, degrees: Math.round(heading), wide: Math.round(view ?? 0) });
}
