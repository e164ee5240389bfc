/* The neighbourhood of a sample: on tiles where the site has them, else in a wider picture of the same scene.
   North is up, the sample is outlined, the bar tells the scale. */

import { AreaLines } from "./area_lines.js";
import { frameOf } from "./frame.js";
import { TileMap } from "./tile_map.js";
import { word } from "./words.js";

const WIDTHS = [5, 9, 15, 21]; // cells on a side that the catalog draws; of an area, thirds of what holds it
const ROUND_M = [100, 200, 500, 1000, 2000, 5000, 10_000];
const BAR_SHARE = 0.3; // longest scale bar, of the picture's side

export class ContextMap {
  constructor(root, page, pictures) {
    Object.assign(this, { root, page, pictures, step: 1, sample: null, ahead: null, ticket: null });
    this.find = (name) => root.querySelector(`[data-map-${name}]`);
    this.canvas = this.find("picture").querySelector("canvas");
    this.tiles = root.dataset.tiles ? new TileMap(this.find("tiles"), root.dataset) : null;
    this.find("picture").hidden = Boolean(this.tiles);
    this.find("tiles").hidden = !this.tiles;
  }

  get isOpen() {
    return !this.root.hidden;
  }

  toggle() {
    this.root.hidden = !this.root.hidden;
  }

  zoom(step) {
    if (this.tiles) return this.tiles.zoom(step);
    this.step = Math.max(0, Math.min(WIDTHS.length - 1, this.step - step));
    return this.show(this.sample);
  }

  async show(sample) {
    this.sample = sample;
    if (!this.isOpen || !sample) return;
    if (this.tiles) return this.tiles.show(sample);
    const ticket = (this.ticket = {});
    const cells = WIDTHS[this.step];
    try {
      const image = await this.load(sample, cells);
      if (ticket === this.ticket) this.draw(image, sample, cells);
    } catch (error) {
      if (ticket === this.ticket) this.say(word("no-picture", { error: error.message }));
    }
  }

  /* The next sample's surroundings while the map is looked at, and no more: wide pictures would hold up the views. */
  prefetch(sample) {
    if (!this.isOpen || this.tiles || this.ahead === this.sample) return;
    this.ahead = this.sample;
    this.load(sample, WIDTHS[this.step]).catch(() => {});
  }

  load(sample, cells) {
    const [view] = this.page.question.views;
    if (!view) return Promise.reject(new Error(""));
    return this.pictures.picture(sample, view, this.pictures.seasonOf(sample, view, this.season), cells);
  }

  draw(image, sample, cells) {
    this.canvas.width = this.canvas.height = image.width;
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0);
    const frame = frameOf(sample, cells);
    this.find("outline").hidden = Boolean(frame.rings);
    this.find("outline").style.inset = `${100 * frame.inner[0]}%`;
    if (frame.rings) this.lines ??= new AreaLines(this.find("picture"));
    this.lines?.draw(frame);
    this.drawBar(frame.wideM);
    this.say("");
  }

  drawBar(widthM) {
    const bar = this.find("bar");
    bar.hidden = !widthM;
    if (!widthM) return;
    const length = ROUND_M.filter((metres) => metres <= widthM * BAR_SHARE).at(-1) ?? ROUND_M[0];
    bar.style.width = `${(100 * length) / widthM}%`;
    bar.textContent = length < 1000 ? `${length} m` : `${length / 1000} km`;
  }

  say(words) {
    this.find("message").textContent = words;
  }
}
