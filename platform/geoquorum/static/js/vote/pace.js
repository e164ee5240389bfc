/* One's own pace in this sitting: median seconds per sample, votes per hour of running clock. Nobody else's. */

import { word } from "./words.js";

const FEWEST = 5; // below this the numbers jump

export class Pace {
  constructor(root, sitting) {
    Object.assign(this, { root, sitting, seconds: [], shownMs: 0 });
  }

  begin() {
    this.shownMs = this.sitting.activeMs;
  }

  count() {
    this.seconds.push((this.sitting.activeMs - this.shownMs) / 1000);
    if (this.seconds.length < FEWEST) return;
    const perHour = (this.seconds.length * 3_600_000) / this.sitting.activeMs;
    this.root.textContent = word("pace", { time: tellTime(median(this.seconds)), perHour: Number(perHour.toPrecision(2)) });
  }
}

/* "6.2 s", "48 s", "2.5 min" */
function tellTime(seconds) {
  if (seconds >= 99.5) return `${(seconds / 60).toFixed(1)} min`;
  return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`;
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
