/* Votes on their way: kept in the browser's store until the server has them, sent in order, one at a time. Each vote
   carries an id made here, so one that is sent twice is stored once. Each lies under its own name, so two windows
   never overwrite each other's. */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export class Outbox {
  /* `send(item)`, with the ballot and the sample it is on, resolves to "stored", "refused", or, where
     it must be sent again, {afterS: seconds that the server asks to wait, or 0}. `onChange()` is called when anything moved. */
  constructor({ prefix, send, onChange, store = window.localStorage }) {
    Object.assign(this, { prefix, send, onChange, store });
    this.memory = new Map(); // where the browser's store is full or switched off
    this.last = 0;
    this.wait = FIRST_WAIT_MS;
    this.timer = null;
    this.isSending = false;
    this.isWaiting = false;
  }

  add(item) {
    this.last = Math.max(this.last + 1, Date.now());
    const name = `${this.prefix}${String(this.last).padStart(15, "0")}-${item.ballot.client_uuid}`;
    try {
      this.store.setItem(name, JSON.stringify(item));
    } catch {
      this.memory.set(name, item);
    }
    this.onChange();
    this.drain();
  }

  names() {
    const names = [...this.memory.keys()];
    for (let index = 0; index < this.store.length; index += 1) {
      const name = this.store.key(index);
      if (name.startsWith(this.prefix)) names.push(name);
    }
    return names.sort();
  }

  items() {
    return this.names().map((name) => this.read(name)).filter(Boolean);
  }

  get size() {
    return this.names().length;
  }

  get isSafe() {
    return this.memory.size === 0;
  }

  read(name) {
    try {
      return this.memory.get(name) ?? JSON.parse(this.store.getItem(name));
    } catch {
      return null; // not ours: no vote of this page is unreadable
    }
  }

  remove(name) {
    this.memory.delete(name);
    this.store.removeItem(name);
  }

  /* Try at once: the connection is back, or the person asks. */
  retry() {
    clearTimeout(this.timer);
    this.wait = FIRST_WAIT_MS;
    this.drain();
  }

  async drain() {
    if (this.isSending) return;
    clearTimeout(this.timer);
    this.isSending = true;
    try {
      await this.alone(() => this.sendAll());
    } finally {
      this.isSending = false;
    }
    this.onChange();
    if (this.size && !this.isWaiting) this.drain();
  }

  /* One window sends at a time where the browser can arrange it; elsewhere the ids keep votes single. */
  alone(work) {
    return navigator.locks ? navigator.locks.request(`${this.prefix}sending`, work) : work();
  }

  async sendAll() {
    this.isWaiting = false;
    for (let [name] = this.names(); name; [name] = this.names()) {
      const item = this.read(name);
      const outcome = item ? await this.send(item) : "stored";
      if (outcome.afterS !== undefined) return this.sleep(outcome.afterS);
      this.wait = FIRST_WAIT_MS;
      this.remove(name);
      this.onChange();
    }
  }

  sleep(afterS) {
    this.isWaiting = true;
    this.timer = setTimeout(() => this.drain(), Math.max(afterS * 1000, this.wait * (0.75 + Math.random() / 2)));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }
}
