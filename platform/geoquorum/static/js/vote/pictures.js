/* Pictures and stored values of samples, fetched once, kept while they may be needed. */

const MOST_KEPT = 120;

export class Pictures {
  constructor(page) {
    this.page = page;
    this.kept = new Map();
  }

  /* The season to show of a view: the chosen one where the sample's region has it, else its first. */
  seasonOf(sample, view, chosen) {
    const seasons = this.seasonsOf(sample, view);
    return seasons.includes(chosen) ? chosen : (seasons[0] ?? "");
  }

  seasonsOf(sample, view) {
    return this.page.regions[sample?.region]?.seasons[view.modality] ?? [];
  }

  pictureUrl(sample, view, season, cells) {
    const path = this.page.urls.picture.replace("/0/", `/${sample.sample}/`).replace("MODALITY", view.modality).replace("VIEW", view.view);
    return `${path}?${new URLSearchParams({ season, context: cells })}`;
  }

  /* Decoded and ready to be drawn; rejects with the server's sentence where there is none. */
  picture(sample, view, season, cells = this.page.question.context_cells) {
    return this.keep(this.pictureUrl(sample, view, season, cells), async (response) => createImageBitmap(await response.blob()));
  }

  /* Stored values [band, y, x] as physical values, with the bands' names. */
  values(sample, modality, season) {
    const path = this.page.urls.values.replace("/0/", `/${sample.sample}/`).replace("MODALITY", modality);
    return this.keep(`${path}?${new URLSearchParams({ season })}`, readValues);
  }

  prefetch(sample, chosen) {
    for (const view of this.page.question.views) this.picture(sample, view, this.seasonOf(sample, view, chosen)).catch(() => {});
  }

  keep(url, read) {
    const found = this.kept.get(url);
    if (found) return found;
    const made = load(url, read);
    made.catch(() => this.kept.delete(url));
    this.kept.set(url, made);
    for (const old of [...this.kept.keys()].slice(0, Math.max(0, this.kept.size - MOST_KEPT))) this.kept.delete(old);
    return made;
  }
}

async function load(url, read) {
  const response = await fetch(url, { redirect: "error" });
  if (!response.ok) throw new Error(response.headers.get("Content-Type")?.startsWith("text/plain") ? await response.text() : `HTTP ${response.status}`);
  return read(response);
}

const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array, float32: Float32Array, float64: Float64Array };

async function readValues(response) {
  const header = (name) => response.headers.get(name);
  const Kind = ARRAYS[header("X-Dtype")];
  if (!Kind) throw new Error(`Values of type ${header("X-Dtype")} cannot be shown.`);
  const [, height, width] = header("X-Shape").split(",").map(Number);
  const [scale, offset] = [Number(header("X-Scale")), Number(header("X-Offset"))];
  const stored = new Kind(await response.arrayBuffer());
  const nodata = header("X-Nodata") === null || header("X-Nodata") === "" ? null : Number(header("X-Nodata"));
  return { bands: header("X-Bands").split(","), height, width, stored, scale, offset, nodata };
}
