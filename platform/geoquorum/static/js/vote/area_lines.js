/* An area's outline and its cells, drawn over a picture; lines keep their width however large the picture is. */

const NS = "http://www.w3.org/2000/svg";
const SIDE = 1000; // units of the drawing along the picture's side

export class AreaLines {
  constructor(root) {
    this.svg = document.createElementNS(NS, "svg");
    this.svg.setAttribute("class", "area-lines");
    this.svg.setAttribute("aria-hidden", "true");
    this.svg.setAttribute("preserveAspectRatio", "none");
    root.append(this.svg);
  }

  /* `frame` from `frameOf`; `shown` is the square of the picture that is looked at. */
  draw({ rings, cells }, [left, top, side] = [0, 0, 1]) {
    this.svg.toggleAttribute("hidden", !rings);
    if (!rings) return this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", [left, top, side, side].map((part) => part * SIDE).join(" "));
    const outline = rings.map(trace).join("");
    const grid = cells.map(([x, y, size]) => trace([[x, y], [x + size, y], [x + size, y + size], [x, y + size]])).join("");
    this.svg.replaceChildren(path("area-cells", grid), path("area-edge", outline), path("area-line", outline));
  }
}

const trace = (ring) => `M${ring.map(([x, y]) => `${(x * SIDE).toFixed(1)} ${(y * SIDE).toFixed(1)}`).join("L")}Z`;

function path(name, d) {
  const element = document.createElementNS(NS, "path");
  element.setAttribute("class", name);
  element.setAttribute("d", d);
  return element;
}
