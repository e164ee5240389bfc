/* Draws one outline after another, and stores each with its class. What is not stored stays on the page. */

import { isSignedOut, post } from "../vote/api.js";
import { saySize } from "../vote/area_facts.js";
import { nameKey, readKey } from "../vote/keys.js";
import { word } from "../vote/words.js";
import { Ground } from "./ground.js";
import { AreaList } from "./list.js";
import { Outline } from "./outline.js";
import { Pointing } from "./pointing.js";
import { Sketch } from "./sketch.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const STEP_PX = 20; // of the cross, and of a picked corner; with Shift a tenth

const find = (name) => document.querySelector(`[data-${name}]`);

export class DrawingPage {
  constructor(config) {
    this.config = config;
    this.areas = config.own;
    this.outline = new Outline();
    this.classes = Object.fromEntries(config.scheme.classes.map((label) => [label.key.toUpperCase(), label]));
    this.colours = Object.fromEntries(config.scheme.classes.map((label) => [label.code, label.colour]));
    this.ground = new Ground(find("ground"), find("bar"), config);
    this.sketch = new Sketch(this.ground, config);
    this.list = new AreaList(find("own"), config.scheme, { onDo: (what, id) => this.doWith(what, this.areas.find((area) => area.id === id)) });
    this.cross = [...this.ground.middle];
    this.choice = { view: 0, season: 0 };
    this.isSaving = false;
    this.runs = {
      Space: () => this.setCorner(this.cross), Enter: () => this.close(), Backspace: () => this.undo(), Escape: () => this.leave(),
      ".": () => this.pick(1), ",": () => this.pick(-1), Delete: () => this.removeCorner(),
      "+": () => this.ground.zoom(1, this.cross), "-": () => this.ground.zoom(-1, this.cross), X: () => this.ground.fit(),
      V: ({ isShift }) => this.turn("view", isShift ? -1 : 1), T: ({ isShift }) => this.turn("season", isShift ? -1 : 1),
    };
  }

  start() {
    this.ground.onDraw = () => this.draw();
    new Pointing(this.ground, {
      onPress: (place, corner, side) => this.press(place, corner, side),
      onHover: (place) => { this.sketch.pointer = place; this.draw(); },
      onCorner: (at, place) => this.moveCorner(at, place),
      onSplit: (side) => { this.outline.split(side); return side + 1; },
      onDrop: () => this.tell(),
    });
    document.addEventListener("keydown", (event) => this.takeKey(event));
    document.addEventListener("click", (event) => this.click(event));
    this.list.show(this.areas);
    this.showView();
    this.ground.fit();
    this.tell();
  }

  // What is shown

  draw() {
    this.inside = this.sketch.draw(this.outline, this.cross);
    this.sketch.drawOwn(this.areas, this.colours, this.outline.replaces);
  }

  /* What the outline is like, and what comes next. */
  tell() {
    this.draw();
    const { corners, isClosed, areaM2 } = this.outline;
    const said = { count: corners.length, size: saySize(areaM2), inside: this.inside, cell: this.config.cell_m };
    const name = isClosed ? (this.outline.picked >= 0 ? "picked" : "whole") : corners.length === 0 ? "none" : corners.length < 3 ? "few" : "open";
    this.say(word(`draw-${name}`, { ...said, corner: this.outline.picked + 1 }));
    for (const [what, isOff] of Object.entries({ close: isClosed || corners.length < 3, undo: corners.length === 0, leave: corners.length === 0, save: corners.length < 3 })) {
      for (const button of document.querySelectorAll(`[data-needs="${what}"]`)) button.disabled = isOff || this.isSaving;
    }
    document.body.dataset.corners = corners.length;
    document.body.dataset.closed = isClosed;
  }

  say(words, kind = "") {
    const status = find("status");
    status.textContent = words;
    status.className = `draw-status ${kind}`.trim();
  }

  turn(what, step) {
    const count = what === "view" ? this.config.views.length : this.view.seasons.length;
    this.choice[what] = (this.choice[what] + step + count) % count;
    this.showView();
  }

  get view() {
    return this.config.views[this.choice.view];
  }

  /* The date stays from view to view, where the next one has it. */
  showView() {
    const wanted = this.ground.season || "summer";
    const { seasons } = this.view;
    if (this.ground.view !== this.view) this.choice.season = Math.max(0, seasons.indexOf(wanted));
    const season = seasons[this.choice.season];
    find("view-now").textContent = this.view.title;
    find("season-now").textContent = season;
    find("season-turn").hidden = seasons.length < 2;
    delete document.body.dataset.ready;
    this.ground.show(this.view, season);
  }

  // Corners

  press(place, corner, side) {
    this.cross = place;
    if (this.outline.isClosed) {
      if (side >= 0) this.outline.split(side);
      else this.outline.picked = corner;
      return this.tell();
    }
    if (corner === 0 && this.outline.corners.length >= 3) return this.close();
    this.setCorner(place);
  }

  setCorner(place) {
    if (this.outline.isClosed) {
      if (this.outline.picked >= 0) this.outline.split(this.outline.picked);
      return this.tell();
    }
    if (this.outline.corners.length >= this.config.most_corners) return this.say(word("draw-full", { count: this.config.most_corners }), "refused");
    this.outline.add([...place]);
    this.tell();
  }

  moveCorner(at, place) {
    this.outline.move(at, place);
    this.cross = place;
    this.draw();
  }

  close() {
    if (!this.outline.close()) return this.say(word("draw-few", { count: this.outline.corners.length }), "refused");
    this.tell();
  }

  undo() {
    this.outline.undo();
    this.tell();
  }

  pick(step) {
    this.outline.pick(step);
    if (this.outline.picked >= 0) this.cross = [...this.outline.corners[this.outline.picked]];
    this.ground.follow(this.cross);
    this.tell();
  }

  removeCorner() {
    if (this.outline.picked < 0) return;
    if (!this.outline.remove(this.outline.picked)) return this.say(word("draw-three"), "refused");
    this.tell();
  }

  /* Esc: first no corner is picked, then the outline is given up. */
  leave() {
    if (this.outline.picked >= 0) this.outline.picked = -1;
    else this.outline.clear();
    this.tell();
  }

  step([right, up], isFine) {
    const metres = STEP_PX * this.ground.scale * (isFine ? 0.1 : 1);
    this.cross = [this.cross[0] + right * metres, this.cross[1] + up * metres];
    if (this.outline.isClosed && this.outline.picked >= 0) this.outline.move(this.outline.picked, [...this.cross]);
    this.sketch.pointer = null;
    this.ground.follow(this.cross);
    if (this.outline.picked >= 0) this.tell();
  }

  // Areas

  async save(label) {
    if (this.isSaving) return;
    if (!this.outline.isClosed && !this.outline.close()) return this.say(word("draw-few", { count: this.outline.corners.length }), "refused");
    const { corners, replaces } = this.outline;
    this.isSaving = true;
    this.tell();
    const { status, body } = await post(this.config.urls.save, { epsg: this.config.epsg, corners, code: label.code, replaces });
    this.isSaving = false;
    this.tell();
    if (status !== 200) return this.say(reasonOf(status, body), "refused");
    this.areas = [...this.areas.filter((area) => area.id !== replaces), body.area];
    this.outline.clear();
    this.list.show(this.areas);
    this.tell();
    this.say([word("draw-saved", { code: label.code, name: label.name, size: saySize(body.area.m2) }), ...body.area.marks].join(" · "), "stored");
  }

  async doWith(what, area) {
    if (!area) return;
    if (what !== "remove") this.ground.fit(boundsOf(area.corners));
    if (what === "show") return;
    if (what === "change") {
      this.outline.load(area.corners, area.id);
      this.cross = [...area.corners[0]];
      return this.tell();
    }
    const { status, body } = await post(this.config.urls.remove.replace("/0/", `/${area.id}/`), {});
    if (status !== 200) return this.say(reasonOf(status, body), "refused");
    if (this.outline.replaces === area.id) this.outline.clear();
    this.areas = this.areas.filter((one) => one.id !== area.id);
    this.list.show(this.areas);
    this.tell();
    this.say(word("draw-removed"), "stored");
  }

  // Keys and buttons

  takeKey(event) {
    const press = readKey(event) ?? readHeld(event);
    if (!press || !this.obey(press)) return;
    event.preventDefault();
  }

  /* Returns whether the key meant anything. Where single keys are switched off, letters, digits and signs mean nothing. */
  obey({ key, isShift, isFixed }) {
    const isSingle = key.length === 1 || key === "Space";
    if (isSingle && !isFixed && document.documentElement.dataset.keys === "off") return false;
    if (ARROWS[key]) this.step(ARROWS[key], isShift);
    else if (this.classes[key]) this.save(this.classes[key]);
    else if (this.runs[key]) this.runs[key]({ isShift });
    else return false;
    return true;
  }

  click(event) {
    const button = event.target.closest("[data-key], [data-code]");
    if (!button || button.closest("dialog") || button.matches("kbd")) return;
    if (event.detail > 0) button.blur(); // else the space bar would press it again
    const { key, code } = button.dataset;
    if (code !== undefined) return this.save(this.config.scheme.classes.find((label) => label.code === code));
    this.runs[key]?.({ isShift: event.shiftKey });
  }
}

/* An arrow that is held down goes on moving. */
function readHeld(event) {
  const isPlain = event.repeat && ARROWS[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!isPlain || document.querySelector("dialog[open]") || event.target.closest?.("input, select, textarea")) return null;
  return { key: nameKey(event), isShift: event.shiftKey };
}

const boundsOf = (corners) => [Math.min, Math.max].flatMap((edge) => [0, 1].map((axis) => edge(...corners.map((corner) => corner[axis]))));

function reasonOf(status, body) {
  if (body.error) return body.error;
  return word(isSignedOut(status, body) ? "draw-signed-out" : "draw-no-answer");
}
