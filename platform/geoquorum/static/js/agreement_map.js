// Labels of a run over the imagery of a tile server: one shape per sample where its cell lies; a click names it.
const MOST_CODES = 400; // printed on the shapes; more would lie on each other
const tiles = JSON.parse(document.getElementById("map-tiles").textContent);

for (const place of document.querySelectorAll("[data-shapes]")) {
  const shapes = JSON.parse(document.getElementById(place.dataset.shapes).textContent);
  const drawing = document.querySelector(`#${place.dataset.instead} .figure-body`);
  drawing.before(place);
  drawing.hidden = true;
  place.hidden = false;
  const map = L.map(place, { preferCanvas: true, zoomSnap: 0.25 });
  L.tileLayer(tiles.url, { attribution: tiles.attribution }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  const drawn = L.featureGroup(shapes.flatMap((shape) => drawShape(shape, shapes.length <= MOST_CODES))).addTo(map);
  map.fitBounds(drawn.getBounds(), { padding: [12, 12] });
}

function drawShape(shape, hasCode) {
  const look = { fillColor: shape.colour, fillOpacity: 0.15 + 0.7 * shape.strength, color: "#000", weight: 0.5 };
  const polygon = L.polygon(shape.ring, look);
  const link = document.createElement("a");
  link.href = shape.url;
  link.textContent = shape.words;
  polygon.bindPopup(link);
  const code = document.createElement("span");
  code.textContent = shape.code;
  if (hasCode) polygon.bindTooltip(code, { permanent: true, direction: "center", className: "cell-code" });
  const [, southEast, , northWest] = shape.ring;
  return shape.disputed ? [polygon, L.polyline([northWest, southEast], { color: "#fff", weight: 1.5 })] : [polygon];
}
