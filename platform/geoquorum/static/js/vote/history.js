/* One's own last votes, the latest last: what can be taken back, and which samples are decided. */

const SHOWN = 10;

export class History {
  constructor() {
    this.entries = [];
    this.decided = new Set();
  }

  /* From the server's list (the latest first) and the votes that wait in this browser. */
  load(votes, waiting, readSample) {
    for (const vote of [...votes].reverse()) {
      this.apply({ ...vote, sample: readSample(vote), client_uuid: null });
    }
    for (const { ballot, sample } of waiting) this.apply({ ...ballot, sample });
  }

  apply(entry) {
    this.remove(entry.sample.assignment);
    if (entry.kind === "taken_back") return;
    this.entries.push(entry);
    this.decided.add(entry.sample.assignment);
  }

  remove(assignment) {
    this.entries = this.entries.filter((one) => one.sample.assignment !== assignment);
    this.decided.delete(assignment);
  }

  /* The server did not take it: it is no vote, but its sample is not asked again. */
  refuse(assignment) {
    this.entries = this.entries.filter((one) => one.sample.assignment !== assignment);
  }

  get last() {
    return this.entries.at(-1) ?? null;
  }

  get shown() {
    return this.entries.slice(-SHOWN);
  }
}
