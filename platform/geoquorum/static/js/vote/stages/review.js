/* The stage of reviews: one class is proposed for each patch. Yes or no by key, by button, or by swiping: right is yes,
   left is no, down is "cannot tell". */

import { Pictures } from "../pictures.js";
import { Views } from "../views.js";
import { word } from "../words.js";

const FAR_PX = 70; // a swipe; less is a tap or a slip
const CANNOT_TELL = "1"; // the question's reason to skip
const KEYS = { U: "key-cannot-tell", V: "key-view", T: "key-date", Space: "key-outline", X: "key-reset", ArrowUp: "key-brighter", ArrowDown: "key-darker" };

export class Stage {
  constructor(root, page, hooks) {
    Object.assign(this, { root, page, hooks, start: null });
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.prompts = JSON.parse(document.getElementById("vote-prompts").textContent);
    this.pictures = new Pictures(page);
    this.views = new Views(this.find("views"), page, this.pictures, { onPixel: () => {} });
    this.card = this.find("swipe");
    this.commands = this.makeCommands();
    this.listen();
  }

  static keys() {
    return Object.fromEntries(Object.entries(KEYS).map(([key, name]) => [key, word(name)]));
  }

  makeCommands() {
    const step = ({ isShift }) => (isShift ? -1 : 1);
    const runs = {
      U: () => this.hooks.skip(CANNOT_TELL),
      V: (press) => this.views.turnView(step(press)),
      T: (press) => this.views.turnSeason(step(press)),
      Space: () => this.views.showOutline(false),
      X: () => this.views.reset(),
      ArrowUp: () => this.views.brighten(1),
      ArrowDown: () => this.views.brighten(-1),
    };
    const titles = Stage.keys();
    const commands = Object.fromEntries(Object.entries(runs).map(([key, run]) => [key, { title: titles[key], run }]));
    commands.Space.release = () => this.views.showOutline(true);
    return commands;
  }

  get opened() {
    return this.views.opened;
  }

  async show(sample) {
    this.shown = sample;
    this.ask(sample.prompt);
    const isPainted = await this.views.show(sample);
    return isPainted && sample === this.shown;
  }

  /* "Is this LCZ 3, Compact low-rise?" with the class in its colour and what it looks like. */
  ask(code) {
    const label = this.prompts.classes.find((one) => one.code === code);
    const question = label ? word("is-this", { code: this.prompts.prefix + label.code, name: label.name }) : word("no-prompt");
    this.find("asked").textContent = question;
    this.find("asked-help").textContent = label?.aerial || label?.help || "";
    const chip = this.find("asked-chip");
    chip.textContent = label?.code ?? "";
    chip.className = `chip swatch-${this.prompts.scheme}-${code}`;
  }

  prefetch(sample) {
    this.pictures.prefetch(sample, this.views.season);
  }

  answer() {
    return null;
  }

  forget() {
    this.views.showOutline(true);
    this.lean(0, 0);
  }

  // Swiping

  listen() {
    const { card } = this;
    card.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" || !event.isPrimary || event.target.closest("button, a")) return;
      this.start = [event.clientX, event.clientY];
      card.setPointerCapture(event.pointerId);
    });
    card.addEventListener("pointermove", (event) => this.start && this.lean(...this.way(event)));
    card.addEventListener("pointerup", (event) => this.start && this.drop(event));
    card.addEventListener("pointercancel", () => { this.start = null; this.lean(0, 0); });
  }

  way(event) {
    return [event.clientX - this.start[0], event.clientY - this.start[1]];
  }

  drop(event) {
    const [right, down] = this.way(event);
    this.start = null;
    this.lean(0, 0);
    const meant = mean(right, down);
    if (meant === "down") this.hooks.skip(CANNOT_TELL);
    else if (meant) this.hooks.vote(meant);
  }

  /* The card follows the finger, and the word for where it goes stands out. */
  lean(right, down) {
    const meant = mean(right, down);
    this.card.style.translate = right || down ? `${right / 3}px ${Math.max(0, down) / 3}px` : "";
    for (const hint of this.root.querySelectorAll("[data-way]")) hint.classList.toggle("meant", hint.dataset.way === meant);
  }
}

function mean(right, down) {
  if (Math.abs(right) >= FAR_PX && Math.abs(right) > Math.abs(down)) return right > 0 ? "yes" : "no";
  return down >= FAR_PX && down > Math.abs(right) ? "down" : null;
}
