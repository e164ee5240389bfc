/* One's own last votes, the latest last: what can be taken back, and which samples are decided. */

const SHOWN = 10;

export class History {
  constructor() {
    this.entries = [];
    this.turn = 0;
    this.decided = new Set();
  }

  /* From the server's list (the latest first) and the votes that wait in this browser. */
  load(votes, waiting, readSample) {
    for (const vote of [...votes].reverse()) {
      this.apply({ ...vote, sample: readSample(vote), client_uuid: null });
    }
    for (const { ballot, sample } of waiting) this.apply({ ...ballot, sample });
  }

  /* A revision keeps its place; `turn` tells what was decided last. */
  apply(entry) {
    if (entry.kind === "taken_back") return this.remove(entry.sample.assignment);
    const dated = { ...entry, turn: (this.turn += 1) };
    const place = this.placeOf(entry.sample.assignment);
    if (place < 0) this.entries.push(dated);
    else this.entries[place] = dated;
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

  placeOf(assignment) {
    return this.entries.findIndex((one) => one.sample.assignment === assignment);
  }

  find(assignment) {
    return this.entries[this.placeOf(assignment)] ?? null;
  }

  /* The entry `step` places from `entry`; from outside the history (null), -1 is its latest. Null beyond its end. */
  step(entry, step) {
    const place = entry ? this.placeOf(entry.sample.assignment) : this.entries.length;
    return this.entries[place + step] ?? null;
  }

  get last() {
    return this.entries.reduce((latest, one) => (latest && latest.turn > one.turn ? latest : one), null);
  }

  /* The last ten; further back, the ten that end with the entry looked at. */
  shown(entry) {
    const place = entry ? this.placeOf(entry.sample.assignment) : this.entries.length;
    const end = place < this.entries.length - SHOWN ? place + 1 : this.entries.length;
    return this.entries.slice(Math.max(0, end - SHOWN), Math.max(end, SHOWN));
  }
}
