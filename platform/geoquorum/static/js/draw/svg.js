/* Elements of drawings. */

const NS = "http://www.w3.org/2000/svg";

export function make(name, attributes = {}) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/* A ring of [x, y], closed or not. */
export const trace = (ring, isClosed = true) => (ring.length ? `M${ring.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}${isClosed ? "Z" : ""}` : "");
