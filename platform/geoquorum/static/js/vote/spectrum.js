/* The spectrum of the pixel under the cursor, over the mean of the cell or the area: reflectance against wavelength in nm. */

import { word } from "./words.js";

const NS = "http://www.w3.org/2000/svg";
const LEFT = 34, TOP = 8, BOTTOM = 18, RIGHT = 8;
const UNIT = " nm";
const CEILINGS = [0.1, 0.2, 0.4, 0.6, 1, 2];

export class Spectrum {
  constructor(root) {
    this.root = root;
    this.svg = root.querySelector("svg");
    this.words = root.querySelector("[data-spectrum-words]");
    Object.assign(this, { values: null, pixel: null });
    new ResizeObserver(() => this.fit()).observe(this.svg);
  }

  /* One unit of the picture is one pixel of the screen, so that its words keep their size whatever its own. */
  fit() {
    const { clientWidth, clientHeight } = this.svg;
    if (!clientWidth || !clientHeight) return;
    this.svg.setAttribute("viewBox", `0 0 ${clientWidth} ${clientHeight}`);
    this.draw(this.pixel);
  }

  /* `values` as `Pictures.values` gives them, `wavelengths` by band name; null empties the panel. `mask` says which
     pixels lie in the area, null for all. */
  show(values, wavelengths, mask = null) {
    this.values = values && { ...values, mask };
    if (!values) return this.clear();
    this.bands = values.bands.map((name, index) => ({ index, x: wavelengths[name] })).filter((band) => band.x);
    this.mean = this.bands.map((band) => mean(this.values, band.index));
    this.ceiling = CEILINGS.find((one) => one >= brightest(this.values, this.bands)) ?? CEILINGS.at(-1);
    this.draw(null);
  }

  clear() {
    this.svg.replaceChildren();
    this.words.textContent = "";
  }

  /* `pixel` is [column, row] of the cell, or null for the cell's mean alone. */
  draw(pixel) {
    this.pixel = pixel;
    if (!this.values || !this.width) return;
    const own = pixel && this.bands.map((band) => at(this.values, band.index, pixel));
    this.svg.replaceChildren(...this.axes(), this.line(this.mean, "spectrum-mean"), ...(own ? [this.line(own, "spectrum-own")] : []));
    const kind = this.values.mask ? "-area" : "";
    this.words.textContent = word((pixel ? "pixel" : "mean") + kind, pixel ? { x: pixel[0] + 1, y: pixel[1] + 1 } : {});
  }

  x(wavelength) {
    const [low, high] = [400, 2300];
    return LEFT + ((wavelength - low) / (high - low)) * (this.width - LEFT - RIGHT);
  }

  y(value) {
    const share = Math.max(-0.05, Math.min(1.05, value / this.ceiling));
    return this.height - BOTTOM - share * (this.height - BOTTOM - TOP);
  }

  get width() { return this.svg.viewBox.baseVal.width; }
  get height() { return this.svg.viewBox.baseVal.height; }

  axes() {
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const y = this.y(share * this.ceiling);
      parts.push(make("line", { x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y, class: "grid" }));
      parts.push(make("text", { x: LEFT - 5, y: y + 4, "text-anchor": "end", class: "tick" }, String(share * this.ceiling)));
    }
    for (const wavelength of [500, 1000, 1500, 2000]) {
      parts.push(make("text", { x: this.x(wavelength), y: this.height - BOTTOM + 14, "text-anchor": "middle", class: "tick" }, wavelength + UNIT));
    }
    return parts;
  }

  line(numbers, kind) {
    const points = numbers.map((value, place) => [this.x(this.bands[place].x), this.y(value)]);
    const kept = points.filter(([, y]) => Number.isFinite(y));
    const group = make("g", { class: kind });
    group.append(make("polyline", { points: kept.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ") }));
    for (const [x, y] of kept) group.append(make("circle", { cx: x, cy: y, r: 2 }));
    return group;
  }
}

function make(name, attributes, text = "") {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

/* Physical value = (stored + offset) * scale; NaN where nothing was measured. */
function at({ stored, width, height, scale, offset, nodata }, band, [column, row]) {
  const value = stored[(band * height + row) * width + column];
  return value === nodata ? NaN : (value + offset) * scale;
}

function all(values, band) {
  const size = values.width * values.height;
  const numbers = [];
  for (let place = 0; place < size; place += 1) {
    if (values.mask && !values.mask[place]) continue;
    const value = at(values, band, [place % values.width, Math.floor(place / values.width)]);
    if (Number.isFinite(value)) numbers.push(value);
  }
  return numbers;
}

function mean(values, band) {
  const numbers = all(values, band);
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

/* The 98th percentile of the brightest band, so that one glint does not flatten the curve. */
function brightest(values, bands) {
  return Math.max(...bands.map((band) => all(values, band.index).sort((a, b) => a - b)).map((numbers) => numbers.at(-Math.ceil(numbers.length / 50)) ?? 0));
}
