/* A basemap of tiles around a sample, by Leaflet, which is fetched only where a site has a tile server. */

const START_ZOOM = 14; // about 5 km across
const METRES_PER_DEGREE = 111_320;
const LINE = { color: "#ffffff", weight: 2, fill: false };

export class TileMap {
  constructor(root, { tiles, attribution, leaflet, leafletStyle }) {
    Object.assign(this, { root, tiles, attribution });
    this.ready = load(leaflet, leafletStyle).then(() => this.make());
  }

  make() {
    this.map = L.map(this.root, { keyboard: false, zoomAnimation: false, fadeAnimation: false });
    L.tileLayer(this.tiles, { attribution: this.attribution }).addTo(this.map);
    L.control.scale({ imperial: false }).addTo(this.map);
    this.outline = L.rectangle([[0, 0], [0, 0]], LINE).addTo(this.map);
  }

  async show(sample) {
    await this.ready;
    const place = [sample.latitude, sample.longitude];
    this.map.invalidateSize(false);
    this.map.setView(place, this.map.getZoom() ?? START_ZOOM, { animate: false });
    const { area } = sample.content ?? {};
    this.outline.remove();
    this.outline = area ? L.polygon(area.lonlat.map(turn), LINE) : L.rectangle(boundsOf(sample), LINE);
    this.outline.addTo(this.map);
    if (area) this.map.fitBounds(this.outline.getBounds(), { animate: false, maxZoom: START_ZOOM });
  }

  zoom(step) {
    this.map?.setZoom(this.map.getZoom() + step, { animate: false });
  }
}

/* Leaflet has latitude first. */
const turn = (ring) => ring.map(([longitude, latitude]) => [latitude, longitude]);

/* South-west and north-east corners; good to a percent outside the polar regions. */
function boundsOf({ latitude, longitude, pixel_size_m: pixel, width_px: width, height_px: height }) {
  const north = ((height * pixel) / 2) / METRES_PER_DEGREE;
  const east = ((width * pixel) / 2) / (METRES_PER_DEGREE * Math.cos((latitude * Math.PI) / 180));
  return [[latitude - north, longitude - east], [latitude + north, longitude + east]];
}

function load(script, style) {
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: style }));
  return new Promise((done, failed) => {
    document.head.append(Object.assign(document.createElement("script"), { src: script, onload: done, onerror: failed }));
  });
}
