/* What lies on the map: the outline at hand with its corners, the own areas, the outlines of others, the cross. */

import { make, trace } from "./svg.js";

const CORNER_PX = 6;
const FINGER_PX = 11;
const CROSS_PX = 14;

export class Sketch {
  constructor(ground, config) {
    Object.assign(this, { ground, config, pointer: null });
    this.reach = matchMedia("(pointer: coarse)").matches ? FINGER_PX : CORNER_PX;
    const { others } = ground.layers;
    others.append(...config.others.map((ring) => make("path", { d: this.path(ring) })));
  }

  path(ring, isClosed = true) {
    return trace(ring.map((corner) => this.ground.place(corner)), isClosed);
  }

  /* `colours` by code; the area that is being changed is left out. */
  drawOwn(areas, colours, changed) {
    this.ground.layers.own.replaceChildren(...areas.filter((area) => area.id !== changed).flatMap((area) => {
      const line = make("path", { d: this.path(area.corners), stroke: colours[area.code] ?? "#fff", "data-area": area.id });
      return [make("path", { d: this.path(area.corners), class: "under" }), line];
    }));
  }

  draw(outline, cross) {
    const { layers, scale } = this.ground;
    const cells = outline.isClosed ? (outline.cellsInside(this.config.cell_m, 4000) ?? []) : [];
    const size = this.config.cell_m;
    layers.cells.replaceChildren(make("path", { d: cells.map(([x, y]) => this.path([[x, y], [x + size, y], [x + size, y + size], [x, y + size]])).join("") }));
    const line = this.path(outline.corners, outline.isClosed);
    const parts = [make("path", { class: "under", d: line }), make("path", { class: outline.isClosed ? "whole" : "open", d: line })];
    const next = this.pointer ?? cross;
    if (!outline.isClosed && !outline.isEmpty) parts.push(make("path", { class: "next", d: this.path([outline.corners.at(-1), next], false) }));
    if (outline.isClosed) parts.push(...outline.corners.map((_, at) => this.dot(outline.middleAfter(at), this.reach * 0.6, "side", at)));
    parts.push(...outline.corners.map((corner, at) => this.dot(corner, this.reach, at === outline.picked ? "corner picked" : "corner", at)));
    const [x, y] = this.ground.place(cross);
    const arm = CROSS_PX * scale;
    for (const name of ["under", "cross"]) parts.push(make("path", { class: name, d: `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}` }));
    layers.outline.replaceChildren(...parts);
    return cells.length;
  }

  dot(place, pixels, name, at) {
    const [cx, cy] = this.ground.place(place);
    return make("circle", { cx, cy, r: pixels * this.ground.scale, class: name, [`data-${name.split(" ")[0]}`]: at });
  }
}
