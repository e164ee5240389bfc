/* The samples in hand: the one shown and the next ones, whose pictures are fetched ahead. */

const SPARE = 2; // asked for beyond those to be in hand, so that not every vote asks

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
    const wanted = this.ahead + 1 + SPARE;
    if (this.isFetching || (!isForced && (this.isExhausted || this.samples.length > this.ahead))) return;
    this.isFetching = true;
    const answer = await this.claim(Math.min(50, wanted + unsent));
    const { status, body } = answer;
    this.isFetching = false;
    if (status !== 200) return this.onProblem(answer);
    const known = new Set(this.samples.map((one) => one.assignment));
    const fresh = body.assignments.map(readSample).filter((one) => !known.has(one.assignment) && !this.isDecided(one.assignment));
    this.samples.push(...fresh);
    this.isExhausted = fresh.length === 0 && unsent === 0;
    this.onSamples(body);
  }
}

/* A claim as the page has it: `assignment` and `sample` are ids, the rest is as the server says it. */
export function readSample({ id, sample }) {
  return { ...sample, assignment: id, sample: sample.id };
}
