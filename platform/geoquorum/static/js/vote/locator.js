/* Where a photo or a post was made, on a picture from above: north up, the point marked, the camera's view as a wedge. */

import { word } from "./words.js";

const REACH_M = 130; // length of the wedge on the ground
const BAR_M = 200;
const WORD_PX = 13;
const NARROW = 50; // degrees of view where the photo does not say

export class Locator {
  constructor(root, page, pictures) {
    Object.assign(this, { root, page, pictures, season: null, view: 0 });
    this.canvas = root.querySelector("canvas");
    this.lines = root.querySelector("[data-locator-lines]");
    this.message = root.querySelector("[data-locator-message]");
    this.caption = root.querySelector("[data-locator-caption]");
    this.context = this.canvas.getContext("2d");
    new ResizeObserver(() => this.fit()).observe(this.lines);
  }

  /* Resolves when it is painted, or says why there is no picture. A later call makes an earlier one stop. */
  async show(sample) {
    const ticket = (this.ticket = {});
    this.sample = sample;
    const place = sample?.content?.place;
    this.root.classList.toggle("placeless", !place);
    this.drawLines();
    if (!place) return this.say(word("no-place"));
    try {
      const image = await this.pictures.picture(sample, this.shownView, this.shownSeason(sample));
      if (ticket === this.ticket) this.draw(image);
    } catch (error) {
      if (ticket === this.ticket) this.say(word("no-picture", { error: error.message }));
    }
  }

  prefetch(sample) {
    if (sample.content?.place) this.pictures.picture(sample, this.shownView, this.shownSeason(sample)).catch(() => {});
  }

  get shownView() {
    return this.page.question.views[this.view];
  }

  seasons(sample) {
    return this.pictures.seasonsOf(sample, this.shownView);
  }

  /* The chosen date where there is one, else summer, else the first. */
  shownSeason(sample) {
    const there = this.seasons(sample);
    return [this.season, "summer", there[0]].find((season) => there.includes(season)) ?? "";
  }

  turnSeason(step) {
    const there = this.seasons(this.sample);
    const now = there.indexOf(this.shownSeason(this.sample));
    this.season = there[(now + step + there.length) % there.length] ?? null;
    return this.show(this.sample);
  }

  turnView(step) {
    const { length } = this.page.question.views;
    this.view = (this.view + step + length) % length;
    return this.show(this.sample);
  }

  /* What is looked at now, for the vote's record. */
  get opened() {
    return `${this.shownView.view} ${this.shownSeason(this.sample)}`.trim().slice(0, 40);
  }

  draw(image) {
    this.canvas.width = this.canvas.height = image.width;
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(image, 0, 0);
    this.say("");
    this.caption.textContent = [this.shownView.title, this.shownSeason(this.sample)].filter(Boolean).join(", ");
  }

  /* Words keep their size on the screen, however large the picture is. */
  fit() {
    if (this.lines.clientWidth) this.lines.style.setProperty("--word", `${((100 * WORD_PX) / this.lines.clientWidth).toFixed(2)}px`);
  }

  say(words) {
    this.message.textContent = words;
    if (words) {
      this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.caption.textContent = "";
    }
  }

  /* In hundredths of the picture's side; the cell lies in the middle of `context_cells` x `context_cells`. */
  drawLines() {
    const { place, cell_m: cellM, map_heading_deg: heading, field_of_view_deg: view } = this.sample?.content ?? {};
    if (!place) return this.lines.replaceChildren();
    const cells = this.page.question.context_cells;
    const cell = 100 / cells;
    const side = cellM * cells;
    const [x, y] = place.map((part) => ((cells - 1) / 2 + part) * cell);
    const parts = [make("rect", { class: "cell", x: (100 - cell) / 2, y: (100 - cell) / 2, width: cell, height: cell })];
    if (heading !== null && heading !== undefined) parts.push(make("path", { class: "wedge", d: wedge(x, y, heading, view ?? NARROW, (100 * REACH_M) / side) }));
    parts.push(make("circle", { class: "point", cx: x, cy: y, r: 1.6 }));
    const bar = (100 * BAR_M) / side;
    parts.push(make("path", { class: "bar-line", d: `M4 94.5v2h${bar}v-2` }), make("text", { x: 4, y: 92.5 }, `${BAR_M} m`));
    parts.push(make("path", { class: "north", d: "M94 11l2.6-7 2.6 7-2.6-1.6z" }), make("text", { x: 96.6, y: 13, "text-anchor": "middle", "dominant-baseline": "hanging" }, "N"));
    this.lines.replaceChildren(...parts);
  }
}

function wedge(x, y, heading, view, reach) {
  const at = (degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return `${(x + reach * Math.sin(angle)).toFixed(2)} ${(y - reach * Math.cos(angle)).toFixed(2)}`;
  };
  return `M${x} ${y}L${at(heading - view / 2)}A${reach} ${reach} 0 0 1 ${at(heading + view / 2)}Z`;
}

function make(name, values, words = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
  element.textContent = words;
  return element;
}
