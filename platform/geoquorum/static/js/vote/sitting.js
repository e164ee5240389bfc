/* One sitting: begun when the page opens, paused while it is hidden or on demand, ended when it is left. */

import { post } from "./api.js";

export class Sitting {
  constructor(page) {
    this.page = page;
    this.urls = null;
  }

  async begin() {
    const { status, body } = await post(this.page.urls.session, { interface_version: this.page.interface_version });
    if (status !== 200) return;
    this.page.session = body.session;
    this.urls = body.urls;
    document.addEventListener("visibilitychange", () => this.turn(document.hidden ? "pause" : "resume"));
    window.addEventListener("pagehide", () => this.turn("end"));
  }

  turn(action) {
    if (this.urls) post(this.urls[action], {});
  }
}
