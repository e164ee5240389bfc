/* Photos fetched ahead and decoded; a photo that does not come says so in words. */

import { word } from "./words.js";

const MOST_KEPT = 24;

export class Photos {
  constructor() {
    this.kept = new Map();
  }

  /* Resolves to a decoded image element of its own; rejects where there is none. */
  load(url) {
    const found = this.kept.get(url);
    if (found) return found;
    const image = new Image();
    image.src = url;
    const made = image.decode().then(() => image);
    made.catch(() => this.kept.delete(url));
    this.kept.set(url, made);
    for (const old of [...this.kept.keys()].slice(0, Math.max(0, this.kept.size - MOST_KEPT))) this.kept.delete(old);
    return made;
  }

  prefetch(url) {
    if (url) this.load(url).catch(() => {});
  }

  /* Shows the photo in a frame of its shape: {image, frame, message}. Without an address the frame is hidden. */
  async show(url, { image, frame, message }, isStillWanted) {
    frame.hidden = !url;
    message.textContent = "";
    image.classList.add("waiting");
    if (!url) return;
    try {
      const loaded = await this.load(url);
      if (!isStillWanted()) return;
      image.src = loaded.src;
      frame.style.setProperty("--ratio", loaded.naturalWidth / loaded.naturalHeight);
      await image.decode();
      image.classList.remove("waiting");
    } catch {
      if (isStillWanted()) message.textContent = word("no-photo");
    }
  }
}
