/* The stage of posts: the words and the picture as they were sent, and the place on a picture from above. What a post
   says is only ever set as text. */

import { Locator } from "../locator.js";
import { Photos } from "../photos.js";
import { Pictures } from "../pictures.js";
import { word } from "../words.js";

const KEYS = { V: "key-view", T: "key-date" };

export class Stage {
  constructor(root, page, hooks) {
    Object.assign(this, { root, page, hooks, photos: new Photos(), opened: new Set() });
    const find = (name) => root.querySelector(`[data-${name}]`);
    this.text = find("post-text");
    this.time = find("post-time");
    this.parts = { image: find("photo"), frame: find("photo-frame"), message: find("photo-message") };
    this.locator = new Locator(find("locator"), page, new Pictures(page));
    this.commands = this.makeCommands();
  }

  static keys() {
    return Object.fromEntries(Object.entries(KEYS).map(([key, name]) => [key, word(name)]));
  }

  makeCommands() {
    const turn = (name) => async ({ isShift }) => {
      await this.locator[name](isShift ? -1 : 1);
      this.noteOpened();
    };
    const titles = Stage.keys();
    return { V: { title: titles.V, run: turn("turnView") }, T: { title: titles.T, run: turn("turnSeason") } };
  }

  async show(sample) {
    this.shown = sample;
    const { content = {} } = sample;
    this.text.textContent = content.is_erased ? word("post-erased") : content.text;
    this.text.classList.toggle("soft", Boolean(content.is_erased));
    this.time.textContent = content.posted_at ? new Date(content.posted_at).toLocaleString(document.documentElement.lang || "en", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }) + " UTC" : "";
    this.parts.image.alt = content.image ? word("post-picture") : "";
    const isStillWanted = () => this.shown === sample;
    await Promise.all([this.photos.show(content.image, this.parts, isStillWanted), this.locator.show(sample)]);
    if (!isStillWanted()) return false;
    this.opened.add("text");
    if (content.image) this.opened.add("picture");
    this.noteOpened();
    return true;
  }

  noteOpened() {
    if (this.shown?.content?.place) this.opened.add(this.locator.opened);
  }

  prefetch(sample) {
    this.photos.prefetch(sample.content?.image);
    this.locator.prefetch(sample);
  }

  answer() {
    return null; // the choice fields are the page's own
  }

  forget() {
    this.opened = new Set();
  }
}
