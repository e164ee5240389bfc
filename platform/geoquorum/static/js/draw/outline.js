/* The outline at hand: corners in metres, open while it is drawn, closed when it is whole. No page, no picture. */

export class Outline {
  constructor() {
    this.clear();
  }

  /* `replaces` is the stored area that this one is the new shape of, else null. */
  clear() {
    Object.assign(this, { corners: [], isClosed: false, picked: -1, replaces: null });
  }

  load(corners, replaces) {
    Object.assign(this, { corners: corners.map((corner) => [...corner]), isClosed: true, picked: -1, replaces });
  }

  get isEmpty() {
    return this.corners.length === 0;
  }

  /* A corner where the last one lies already is none. */
  add(corner) {
    const last = this.corners.at(-1);
    if (this.isClosed || (last && last[0] === corner[0] && last[1] === corner[1])) return false;
    this.corners.push(corner);
    return true;
  }

  close() {
    this.isClosed = this.corners.length >= 3;
    return this.isClosed;
  }

  /* Step by step: no corner picked, open again, one corner less. */
  undo() {
    if (this.picked >= 0) this.picked = -1;
    else if (this.isClosed) this.isClosed = false;
    else this.corners.pop();
  }

  pick(step) {
    const { length } = this.corners;
    if (this.isClosed) this.picked = this.picked < 0 ? (step > 0 ? 0 : length - 1) : (this.picked + step + length) % length;
  }

  move(at, corner) {
    this.corners[at] = corner;
  }

  /* A corner in the middle of the side that begins at `at`, which is picked then. */
  split(at) {
    this.corners.splice(at + 1, 0, this.middleAfter(at));
    this.picked = at + 1;
  }

  /* Three corners stay. */
  remove(at) {
    if (this.corners.length <= 3) return false;
    this.corners.splice(at, 1);
    this.picked = Math.min(this.picked, this.corners.length - 1);
    return true;
  }

  middleAfter(at) {
    const [[x0, y0], [x1, y1]] = [this.corners[at], this.corners[(at + 1) % this.corners.length]];
    return [(x0 + x1) / 2, (y0 + y1) / 2];
  }

  /* Square metres on the plane; the server measures on the ellipsoid. */
  get areaM2() {
    return Math.abs(sides(this.corners).reduce((sum, [[x0, y0], [x1, y1]]) => sum + x0 * y1 - x1 * y0, 0)) / 2;
  }

  /* South-west corners of the cells of the grid that lie wholly inside; null where they would be more than `most`. */
  cellsInside(sizeM, most) {
    const [xs, ys] = [this.corners.map(([x]) => x), this.corners.map(([, y]) => y)];
    const [west, south, east, north] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)].map((edge) => Math.floor(edge / sizeM));
    if (!((east - west + 1) * (north - south + 1) <= most)) return null;
    const found = [];
    for (let column = west; column <= east; column += 1) {
      for (let row = south; row <= north; row += 1) {
        const corner = [column * sizeM, row * sizeM];
        if (this.holds([corner[0] + sizeM / 2, corner[1] + sizeM / 2]) && !this.cuts(corner, sizeM)) found.push(corner);
      }
    }
    return found;
  }

  holds([x, y]) {
    return sides(this.corners).filter(([[x0, y0], [x1, y1]]) => y0 > y !== y1 > y && x < x0 + ((x1 - x0) * (y - y0)) / (y1 - y0)).length % 2 === 1;
  }

  /* Whether any side runs through the square. */
  cuts([west, south], sizeM) {
    return sides(this.corners).some((side) => meets(side, west, south, west + sizeM, south + sizeM));
  }
}

const sides = (corners) => corners.map((corner, at) => [corner, corners[(at + 1) % corners.length]]);

/* Liang and Barsky: whether some of a line lies inside a box, its border left out. */
function meets([[x0, y0], [x1, y1]], west, south, east, north) {
  let [first, last] = [0, 1];
  for (const [step, room] of [[x0 - x1, x0 - west], [x1 - x0, east - x0], [y0 - y1, y0 - south], [y1 - y0, north - y0]]) {
    if (step === 0 && room <= 0) return false;
    if (step < 0) first = Math.max(first, room / step);
    if (step > 0) last = Math.min(last, room / step);
  }
  return first < last;
}
