/* What a picture of a sample shows, in fractions of its side from the upper left: of a patch a cell and its neighbours,
   of an area the whole of it. Squares are [left, top, side].

   inner     what "closer" shows alone: the cell, or the square that holds the area
   measured  where the stored values lie, and `count` of their pixels on a side (null: as many as the picture has there)
   rings     the area's outline, null for a patch; `cells` its cells of the grid, as squares
   wide_m    metres from side to side, null where the sample does not say */

const ROOM = 0.04; // of the area's longer side, around it when it is looked at closely

export function frameOf(sample, contextCells) {
  const area = sample.content?.area;
  return area ? frameArea(area, contextCells) : framePatch(sample, contextCells);
}

function framePatch({ width_px: width, pixel_size_m: pixel }, cells) {
  const side = 1 / cells;
  const inner = [(1 - side) / 2, (1 - side) / 2, side];
  return { inner, measured: inner, count: null, rings: null, cells: [], wideM: width && pixel ? width * pixel * cells : null };
}

function frameArea(area, context) {
  const [left, top, wideM] = area.frames[context] ?? area.frames[3];
  const [firstLeft, firstTop, firstM] = area.frames[3];
  const place = ([x, y]) => [(x - left) / wideM, (y - top) / wideM];
  const rings = area.rings.map((ring) => ring.map(place));
  return {
    inner: holdAll(rings),
    measured: [...place([firstLeft, firstTop]), firstM / wideM],
    count: area.values_px,
    rings,
    cells: (area.cells ?? []).map((corner) => [...place(corner), area.cell_m / wideM]),
    wideM,
  };
}

/* The square that holds all rings with some room, within the picture. */
function holdAll(rings) {
  const points = rings.flat();
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [west, east, north, south] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const side = Math.min(1, Math.max(east - west, south - north) * (1 + 2 * ROOM));
  const start = (low, high) => Math.min(1 - side, Math.max(0, (low + high - side) / 2));
  return [start(west, east), start(north, south), side];
}

/* Which of `count` x `count` pixels, row by row, have their middle in the area; null for a patch, which has them all. */
export function maskOf({ rings, measured: [left, top, side] }, count) {
  if (!rings) return null;
  const place = (start, step) => start + ((step + 0.5) / count) * side;
  return Array.from({ length: count * count }, (_, at) => isInside(rings, place(left, at % count), place(top, Math.floor(at / count))));
}

/* Even-odd: a hole is outside. */
function isInside(rings, x, y) {
  let isIn = false;
  for (const ring of rings) {
    for (let at = 0, before = ring.length - 1; at < ring.length; before = at, at += 1) {
      const [[x0, y0], [x1, y1]] = [ring[before], ring[at]];
      if (y0 > y !== y1 > y && x < x0 + ((x1 - x0) * (y - y0)) / (y1 - y0)) isIn = !isIn;
    }
  }
  return isIn;
}
