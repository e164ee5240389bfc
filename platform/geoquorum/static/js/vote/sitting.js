/* One sitting: begun when the page opens, ended when it is left. Its clock stands still while the page is hidden, after
   a minute without input, and on demand; each stop is a pause of the sitting on the server. */

import { post } from "./api.js";

const IDLE_MS = 60_000;
const BREAK_MS = 45 * 60_000; // active time after which a break is proposed
const REST_MS = 3 * 60_000; // a stop that counts as a break
const INPUTS = ["keydown", "pointerdown", "pointermove", "wheel"];

export class Sitting {
  /* `onTurn(reasons)` when the clock stops or goes on; `onBreak()` when a break is due. */
  constructor(page, { onTurn, onBreak }) {
    Object.assign(this, { page, onTurn, onBreak, urls: null, isHeard: false });
    this.reasons = new Set();
    Object.assign(this, { ran: 0, since: performance.now(), stopped: 0, breakAt: BREAK_MS });
  }

  async begin() {
    if (!this.isHeard) this.listen();
    const { status, body } = await post(this.page.urls.session, { interface_version: this.page.interface_version });
    if (status !== 200) return;
    this.page.session = body.session;
    this.urls = body.urls;
  }

  listen() {
    this.isHeard = true;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop("hidden") : this.go("hidden")));
    window.addEventListener("pagehide", () => this.end());
    window.addEventListener("pageshow", (event) => event.persisted && this.begin()); // back from the browser's cache
    for (const name of INPUTS) document.addEventListener(name, () => this.wake(), { capture: true, passive: true });
    this.wake();
    setInterval(() => this.checkBreak(), 10_000);
  }

  /* Input: the clock goes on, and a new minute begins. */
  wake() {
    this.go("idle");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.stop("idle"), IDLE_MS);
  }

  get activeMs() {
    return this.ran + (this.reasons.size ? 0 : performance.now() - this.since);
  }

  stop(reason) {
    const wasRunning = this.reasons.size === 0;
    if (wasRunning) Object.assign(this, { ran: this.activeMs, stopped: performance.now() });
    this.reasons.add(reason);
    if (wasRunning) this.turn("pause");
  }

  go(reason) {
    if (!this.reasons.delete(reason) || this.reasons.size) return;
    this.since = performance.now();
    if (this.since - this.stopped >= REST_MS) this.breakAt = this.ran + BREAK_MS;
    this.turn("resume");
  }

  turn(action) {
    this.tell(action);
    this.onTurn(this.reasons);
  }

  tell(action) {
    if (this.urls) post(this.urls[action], {});
  }

  /* After this nothing more is told: the page turns hidden only then. */
  end() {
    this.tell("end");
    this.urls = null;
  }

  checkBreak() {
    if (this.activeMs < this.breakAt) return;
    this.breakAt = this.activeMs + BREAK_MS;
    this.onBreak();
  }
}
