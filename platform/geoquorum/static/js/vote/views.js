/* The pictures of one sample side by side: whole pixels, the cell or the area outlined, the pixel under the cursor marked
   in all. */

import { AreaLines } from "./area_lines.js";
import { frameOf } from "./frame.js";
import { word } from "./words.js";

const STEP = 0.15;

export class Views {
  constructor(root, page, pictures, { onPixel }) {
    Object.assign(this, { root, page, pictures, onPixel });
    this.tiles = page.question.views.map((view, index) => new Tile(root.querySelectorAll(".view")[index], view));
    this.season = null;
    this.single = -1;
    this.isCellOnly = false;
    this.brightness = 1;
    this.opened = new Set();
    for (const tile of this.tiles) {
      tile.canvas.addEventListener("pointermove", (event) => this.point(tile.pixelAt(event)));
      tile.canvas.addEventListener("pointerleave", () => this.point(null));
    }
    new ResizeObserver(() => this.layout()).observe(root);
  }

  /* Resolves when every picture is painted, or failed and says so. A later call makes an earlier one stop. */
  show(sample) {
    this.sample = sample;
    this.opened = new Set();
    return this.paint();
  }

  /* At first the date that most sensors share; from then on the one chosen, sample after sample. */
  commonSeason() {
    const lists = this.tiles.map((tile) => this.pictures.seasonsOf(this.sample, tile.view));
    const count = (season) => lists.filter((list) => list.includes(season)).length;
    return lists.flat().reduce((best, season) => (count(season) > count(best) ? season : best), lists[0]?.[0] ?? "");
  }

  async paint() {
    this.season ??= this.commonSeason();
    const ticket = (this.ticket = {});
    const { sample } = this;
    await Promise.all(this.tiles.map(async (tile) => {
      const season = this.pictures.seasonOf(sample, tile.view, this.season);
      this.opened.add(`${tile.view.view}${season ? ` ${season}` : ""}`.slice(0, 40));
      const slow = setTimeout(() => ticket === this.ticket && tile.say(word("loading")), 300);
      try {
        const image = await this.pictures.picture(sample, tile.view, season);
        if (ticket === this.ticket) tile.draw(image, season, this.isCellOnly, frameOf(sample, this.page.question.context_cells));
      } catch (error) {
        if (ticket === this.ticket) tile.fail(error.message);
      } finally {
        clearTimeout(slow);
      }
    }));
    this.layout();
    return ticket === this.ticket;
  }

  seasons() {
    const lists = this.page.question.views.filter((one) => one.has_seasons).map((one) => this.pictures.seasonsOf(this.sample, one));
    return lists.reduce((longest, list) => (list.length > longest.length ? list : longest), []);
  }

  turnSeason(step) {
    const seasons = this.seasons();
    if (!seasons.length) return;
    const now = Math.max(0, seasons.indexOf(this.season));
    return this.setSeason(seasons[(now + step + seasons.length) % seasons.length]);
  }

  setSeason(season) {
    this.season = season;
    return this.paint();
  }

  /* One view alone, the next, and all again. */
  turnView(step) {
    const count = this.tiles.length + 1;
    this.single = ((this.single + 1 + step + count) % count) - 1;
    this.tiles.forEach((tile, index) => { tile.root.hidden = this.single >= 0 && index !== this.single; });
    this.layout();
  }

  toggleZoom() {
    this.isCellOnly = !this.isCellOnly;
    return this.paint();
  }

  showOutline(isShown) {
    this.root.classList.toggle("no-outline", !isShown);
  }

  brighten(step) {
    this.brightness = Math.min(3, Math.max(0.4, this.brightness * (1 + step * STEP)));
    this.root.style.setProperty("--brightness", this.brightness.toFixed(2));
  }

  reset() {
    this.brightness = 1;
    this.brighten(0);
    this.single = -2;
    this.turnView(1);
    if (this.isCellOnly) return this.toggleZoom();
  }

  point(pixel) {
    for (const tile of this.tiles) tile.mark(pixel);
    if (pixel) this.opened.add("spectrum");
    this.onPixel(pixel);
  }

  /* The largest whole multiple of the picture's pixels at which all shown tiles fit; a larger picture is shrunk. */
  layout() {
    const shown = this.single >= 0 ? 1 : this.tiles.length;
    if (!this.tiles.length) return;
    const side = this.tiles[0].canvas.width || 96;
    const { clientWidth, clientHeight } = this.root;
    const isNarrow = matchMedia("(max-width: 860px)").matches;
    let best = { pixels: 0, columns: 1 };
    for (let columns = 1; columns <= shown; columns += 1) {
      const rows = Math.ceil(shown / columns);
      const width = (clientWidth - 12 * (columns + 1)) / columns;
      const height = (clientHeight - (isNarrow ? 4 : 12) * (rows + 1)) / rows - 26;
      const pixels = Math.min(width, height);
      if (pixels > best.pixels) best = { pixels, columns };
    }
    const ratio = window.devicePixelRatio || 1;
    const isShrunk = best.pixels * ratio < side;
    const times = isNarrow || isShrunk ? best.pixels / side : Math.floor((best.pixels * ratio) / side) / ratio;
    this.root.classList.toggle("shrunk", isShrunk);
    this.root.style.setProperty("--side", `${side * times}px`);
    this.root.style.setProperty("--columns", best.columns);
  }
}

class Tile {
  constructor(root, view) {
    Object.assign(this, { root, view });
    this.canvas = root.querySelector("canvas");
    this.caption = root.querySelector("[data-date]");
    this.message = root.querySelector("[data-message]");
    this.marker = root.querySelector(".marker");
    this.outline = root.querySelector(".outline");
    this.context = this.canvas.getContext("2d");
    this.title = this.canvas.getAttribute("aria-label");
  }

  draw(image, season, isCloser, frame) {
    const { width } = image;
    const shown = isCloser ? frame.inner : [0, 0, 1];
    const [left, top, side] = shown;
    if (this.canvas.width !== width) this.canvas.width = this.canvas.height = width;
    this.context.imageSmoothingEnabled = false;
    this.context.clearRect(0, 0, width, width);
    this.context.drawImage(image, left * width, top * width, side * width, side * width, 0, 0, width, width);
    this.shown = shown;
    this.measured = frame.measured;
    this.count = frame.count ?? Math.round(frame.measured[2] * width);
    this.outline.hidden = Boolean(frame.rings) || isCloser;
    this.outline.style.inset = `${100 * frame.inner[0]}%`;
    if (frame.rings) this.lines ??= new AreaLines(this.canvas.parentElement);
    this.lines?.draw(frame, shown);
    this.caption.textContent = season;
    this.canvas.setAttribute("aria-label", `${this.title}, ${season || "one date"}`);
    this.say("");
  }

  say(words) {
    this.message.textContent = words;
  }

  fail(words) {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.lines?.draw({ rings: null, cells: [] });
    this.outline.hidden = true;
    this.caption.textContent = "";
    this.say(word("no-picture", { error: words }));
  }

  /* [column, row] of the stored values, or null outside them. */
  pixelAt(event) {
    if (!this.shown) return null;
    const box = this.canvas.getBoundingClientRect();
    const across = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const pixel = across.map((part, axis) => {
      const place = this.shown[axis] + part * this.shown[2];
      return Math.floor(((place - this.measured[axis]) / this.measured[2]) * this.count);
    });
    return pixel.every((one) => one >= 0 && one < this.count) ? pixel : null;
  }

  mark(pixel) {
    this.marker.hidden = !pixel || !this.shown;
    if (this.marker.hidden) return;
    const step = this.measured[2] / this.count;
    const [left, top] = pixel.map((one, axis) => (100 * (this.measured[axis] + one * step - this.shown[axis])) / this.shown[2]);
    const size = `${(100 * step) / this.shown[2]}%`;
    Object.assign(this.marker.style, { left: `${left}%`, top: `${top}%`, width: size, height: size });
  }
}
