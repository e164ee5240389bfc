/* How large an area is, in words. */

import { word } from "./words.js";

const HECTARE_M2 = 1e4;
const KM2 = 1e6;

/* "Outlined area: 1.2 km², 1.4 × 1.1 km; 6 patches of 320 m fit inside. Picture 1.8 km wide." */
export function sayArea(area) {
  const [, , wideM] = area.frames[3];
  const said = {
    size: saySize(area.m2), wide: sayLength(area.wide_m), high: sayLength(area.high_m),
    count: area.cells?.length ?? 0, cell: area.cell_m, across: sayLength(wideM),
  };
  const isWhole = Math.max(area.wide_m, area.high_m) <= wideM;
  return [
    word("area-size", said),
    area.cells ? word("area-cells", said) : "",
    word(isWhole ? "area-picture" : "area-middle", said),
  ].filter(Boolean).join(" ");
}

export const saySize = (m2) => (m2 < KM2 ? `${tell(m2 / HECTARE_M2)} ha` : `${tell(m2 / KM2)} km²`);

export const sayLength = (metres) => (metres < 995 ? `${Math.round(metres / 10) * 10} m` : `${tell(metres / 1000)} km`);

const tell = (number) => (number < 10 ? number.toFixed(1) : Math.round(number).toLocaleString(document.documentElement.lang));
