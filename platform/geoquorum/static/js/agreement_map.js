// Labels of a run over the imagery of a tile server: one shape per sample where its cell lies; a click names it.
const tiles = JSON.parse(document.getElementById("map-tiles").textContent);

for (const place of document.querySelectorAll("[data-shapes]")) {
  const shapes = JSON.parse(document.getElementById(place.dataset.shapes).textContent);
  place.hidden = false;
  const map = L.map(place, { preferCanvas: true, zoomSnap: 0.25 });
  L.tileLayer(tiles.url, { attribution: tiles.attribution }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  const drawn = L.featureGroup(shapes.map(drawShape)).addTo(map);
  map.fitBounds(drawn.getBounds(), { padding: [12, 12] });
  document.getElementById(place.dataset.instead).hidden = true;
}

function drawShape(shape) {
  const look = { fillColor: shape.colour, fillOpacity: 0.15 + 0.7 * shape.strength, color: "#000", weight: 0.5 };
  const polygon = L.polygon(shape.ring, shape.disputed ? { ...look, weight: 2, dashArray: "4 3" } : look);
  const link = document.createElement("a");
  link.href = shape.url;
  link.textContent = shape.words;
  return polygon.bindPopup(link);
}
