/* A map in metres of one UTM zone: tiles of the grid under an SVG whose units are metres east and south of the region's
   north-west corner. North is up. */

import { make, trace } from "./svg.js";

const CLOSEST = 1; // metres in a pixel of the screen
const WIDEST = 40;
const STEP = 2;
const ROOM = 1.06; // around the region when it fills the map
const SHARP = 1.45; // a tile's pixel is at most as many of the screen's before a finer one is taken
const SEAM_PX = 0.7; // by which a tile lies over the next, so that no line shows between them
const ROUND_M = [50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const BAR_PX = 140;

export class Ground {
  constructor(svg, bar, config) {
    Object.assign(this, { svg, bar, config, view: null, season: "", tileM: 0 });
    [this.west, this.south, this.east, this.north] = config.bounds;
    this.layers = Object.fromEntries(["tiles", "frame", "others", "own", "cells", "outline"].map((name) => [name, svg.appendChild(make("g", { class: `draw-${name}` }))]));
    this.layers.frame.append(...config.frame.map((ring) => make("path", { d: trace(ring.map((place) => this.place(place))) })));
    new ResizeObserver(() => this.draw()).observe(svg);
    this.fit();
  }

  /* Metres of the zone as units of the drawing, and back. */
  place([x, y]) {
    return [x - this.west, this.north - y];
  }

  /* Where on the ground a pointer is, to the decimetre. */
  at({ clientX, clientY }) {
    const { left, top, width, height } = this.svg.getBoundingClientRect();
    return [this.middle[0] + (clientX - left - width / 2) * this.scale, this.middle[1] - (clientY - top - height / 2) * this.scale].map((metres) => Math.round(metres * 10) / 10);
  }

  /* The whole region, or these bounds. */
  fit([west, south, east, north] = this.config.bounds) {
    const { clientWidth, clientHeight } = this.svg;
    this.middle = [(west + east) / 2, (south + north) / 2];
    this.scale = clamp(ROOM * Math.max((east - west) / (clientWidth || 1), (north - south) / (clientHeight || 1)), CLOSEST, WIDEST);
    this.draw();
  }

  /* Closer (1) or wider (-1); the place stays where it is on the screen. */
  zoom(step, place = this.middle) {
    const scale = clamp(this.scale / STEP ** step, CLOSEST, WIDEST);
    const times = scale / this.scale;
    this.middle = this.middle.map((metres, axis) => place[axis] + (metres - place[axis]) * times);
    this.scale = scale;
    this.draw();
  }

  /* By pixels of the screen. */
  pan(right, down) {
    this.middle = [this.middle[0] + right * this.scale, this.middle[1] - down * this.scale];
    this.draw();
  }

  /* Brings a place into sight. */
  follow([x, y]) {
    const reach = [this.svg.clientWidth, this.svg.clientHeight].map((pixels) => 0.45 * pixels * this.scale);
    this.middle = [clamp(this.middle[0], x - reach[0], x + reach[0]), clamp(this.middle[1], y - reach[1], y + reach[1])];
    this.draw();
  }

  show(view, season) {
    Object.assign(this, { view, season, tileM: 0 });
    this.draw();
  }

  draw() {
    const { clientWidth, clientHeight } = this.svg;
    if (!clientWidth || !clientHeight) return;
    const [x, y] = this.place(this.middle);
    const [width, height] = [clientWidth * this.scale, clientHeight * this.scale];
    this.svg.setAttribute("viewBox", [x - width / 2, y - height / 2, width, height].join(" "));
    this.svg.style.setProperty("--metre", 1 / this.scale);
    if (this.view) this.drawTiles(width, height);
    this.drawBar();
    this.onDraw?.();
  }

  drawTiles(width, height) {
    const { sizes_m: sizes, pixels } = this.config.tiles;
    const tileM = Math.max(this.view.least_m, sizes.filter((size) => size <= this.scale * pixels * SHARP).at(-1) ?? sizes[0]);
    if (tileM !== this.tileM) this.startTiles(tileM);
    const [west, east] = [this.middle[0] - width / 2, this.middle[0] + width / 2].map((edge) => Math.floor(edge / tileM));
    const [south, north] = [this.middle[1] - height / 2, this.middle[1] + height / 2].map((edge) => Math.floor(edge / tileM));
    for (let column = west; column <= east; column += 1) for (let row = south; row <= north; row += 1) this.addTile(column, row);
  }

  /* The tiles of before stay underneath until these are there. */
  startTiles(tileM) {
    this.tileM = tileM;
    this.tiles = this.layers.tiles.appendChild(make("g"));
    this.known = new Set();
    this.waiting = 0;
  }

  addTile(column, row) {
    const { tileM, tiles } = this;
    const name = `${this.config.zone}-${tileM}-${column}-${row}`;
    const [west, south] = [column * tileM, row * tileM];
    const isOutside = west + tileM < this.west || west > this.east || south + tileM < this.south || south > this.north;
    if (isOutside || column < 0 || row < 0 || this.known.has(name)) return;
    this.known.add(name);
    this.waiting += 1;
    const [x, y] = this.place([west, south + tileM]);
    const side = tileM + SEAM_PX * this.scale;
    const image = make("image", { x, y, width: side, height: side, preserveAspectRatio: "none", href: this.tileUrl(name) });
    const settle = () => tiles === this.tiles && this.settle();
    image.addEventListener("load", settle);
    image.addEventListener("error", settle);
    tiles.append(image);
  }

  settle() {
    this.waiting -= 1;
    if (this.waiting > 0) return;
    while (this.layers.tiles.firstChild !== this.tiles) this.layers.tiles.firstChild.remove();
    document.body.dataset.ready = `${this.view.view} ${this.tileM}`;
  }

  tileUrl(cell) {
    const path = this.config.urls.tile.replace("MODALITY", this.view.modality).replace("VIEW", this.view.view).replace("CELL", cell);
    return `${path}?${new URLSearchParams({ season: this.season })}`;
  }

  drawBar() {
    const length = ROUND_M.filter((metres) => metres / this.scale <= BAR_PX).at(-1) ?? ROUND_M[0];
    this.bar.style.width = `${length / this.scale}px`;
    this.bar.textContent = length < 1000 ? `${length} m` : `${length / 1000} km`;
  }
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
