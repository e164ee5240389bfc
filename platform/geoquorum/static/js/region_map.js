// Two maps of one city that move together; each shows one layer over the imagery.
const { bounds, layers } = JSON.parse(document.getElementById("map-layers").textContent);
const tiles = JSON.parse(document.getElementById("map-tiles").textContent);
const opacity = document.getElementById("opacity");
const maps = ["map-left", "map-right"].map((id) => makeMap(document.getElementById(id)));

function makeMap(place) {
  const map = L.map(place, { zoomSnap: 0.25, attributionControl: Boolean(tiles.url) }).fitBounds(bounds);
  if (tiles.url) L.tileLayer(tiles.url, { attribution: tiles.attribution }).addTo(map);
  L.imageOverlay(layers.imagery.url, layers.imagery.bounds, { className: "pixelated" }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  const layer = layers[place.dataset.layer];
  const shown = L.imageOverlay(layer.url, layer.bounds, { className: "pixelated", opacity: opacity.value });
  shown.addTo(map);
  return { map, shown };
}

let isMoving = false;
maps.forEach(({ map }, index) => {
  map.on("move", () => {
    if (isMoving) return;
    isMoving = true;
    maps[1 - index].map.setView(map.getCenter(), map.getZoom(), { animate: false });
    isMoving = false;
  });
});

opacity.addEventListener("input", () => maps.forEach(({ shown }) => shown.setOpacity(opacity.value)));

document.querySelectorAll("select[data-map]").forEach((select) => {
  select.addEventListener("change", () => {
    const place = select.dataset.map === "map-left" ? 0 : 1;
    maps[place].shown.setUrl(layers[select.value].url).setBounds(layers[select.value].bounds);
    document.querySelectorAll(".twin figcaption")[place].textContent = select.selectedOptions[0].textContent;
  });
});
