/* The samples in hand: the one shown and the next ones, whose pictures are fetched ahead. */

const ASK_BELOW = 4; // so that not every vote asks for one sample

export class Buffer {
  /* `claim(count)` resolves to {status, body}; `isDecided(assignment)` tells a sample that is voted on already. */
  constructor({ ahead, claim, isDecided, onSamples, onProblem }) {
    Object.assign(this, { ahead, claim, isDecided, onSamples, onProblem });
    this.samples = [];
    this.isFetching = false;
    this.isExhausted = false;
  }

  get current() {
    return this.samples[0] ?? null;
  }

  next() {
    this.samples.shift();
    return this.current;
  }

  /* Shows a sample again, before all others. */
  putBack(sample) {
    this.samples = [sample, ...this.samples.filter((one) => one.assignment !== sample.assignment)];
    this.isExhausted = false;
  }

  drop(assignment) {
    this.samples = this.samples.filter((one) => one.assignment !== assignment);
  }

  /* Asks for as many as are missing; `unsent` samples still count as held on the server. */
  async fill({ unsent = 0, isForced = false } = {}) {
    const wanted = this.ahead + 1;
    if (this.isFetching || (!isForced && (this.isExhausted || this.samples.length >= ASK_BELOW))) return;
    this.isFetching = true;
    const { status, body } = await this.claim(Math.min(50, wanted + unsent));
    this.isFetching = false;
    if (status !== 200) return this.onProblem(status, body);
    const known = new Set(this.samples.map((one) => one.assignment));
    const fresh = body.assignments.map(readSample).filter((one) => !known.has(one.assignment) && !this.isDecided(one.assignment));
    this.samples.push(...fresh);
    this.isExhausted = fresh.length === 0 && unsent === 0;
    this.onSamples(body);
  }
}

/* What the page needs of a claim. */
export function readSample({ id, sample }) {
  return { assignment: id, sample: sample.id, region: sample.region, key: sample.key };
}
