/* What stands in the rail: progress, last ten votes, the spoken line, the state of the connection. */

import { counted, word } from "./words.js";

export class Rail {
  constructor(page, { onHistory }) {
    const find = (name) => document.querySelector(`[data-${name}]`);
    Object.assign(this, { page, status: find("status"), link: find("link"), list: find("history") });
    this.progress = document.querySelector(".vote-head progress");
    this.progressText = document.querySelector(".vote-head .progress-text");
    this.refusals = [];
    this.list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) onHistory(Number(button.dataset.assignment));
    });
    this.link.addEventListener("click", () => { this.refusals = []; this.showLink({ size: 0 }); });
  }

  showProgress({ done, total }) {
    this.progress.max = total || 1;
    this.progress.value = done;
    this.progressText.textContent = word("of", { done, total });
  }

  say(words) {
    this.status.textContent = words;
  }

  /* "LCZ 6, sure, 37 of 100" */
  sayVote(said, { done, total }) {
    const what = said.kind === "skip" ? word("skipped") : `${this.nameOf(said.code)}, ${word(said.is_sure ? "sure" : "unsure")}`;
    const second = said.second_code ? `, ${word("second", { code: said.second_code })}` : "";
    this.say(`${what}${second}, ${word("of", { done, total })}`);
  }

  nameOf(code) {
    return this.page.scheme.name.startsWith("lcz") ? `LCZ ${code}` : code;
  }

  showHistory(entries, unsent) {
    this.list.replaceChildren(...entries.map((entry) => this.drawEntry(entry, unsent)));
  }

  drawEntry(entry, unsent) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const chip = document.createElement("span");
    button.type = "button";
    button.dataset.assignment = entry.sample.assignment;
    const isSkip = entry.kind === "skip";
    const what = isSkip ? word("skipped") : `${this.nameOf(entry.code)}, ${word(entry.is_sure ? "sure" : "unsure")}`;
    button.title = word("take-back", { what });
    button.setAttribute("aria-label", button.title);
    if (unsent.has(entry.client_uuid)) button.className = "unsent";
    chip.className = isSkip ? "chip skipped" : `chip swatch-${this.page.scheme.name}-${entry.code.replace(/[^\w-]/g, "-")}${entry.is_sure ? "" : " unsure"}`;
    chip.textContent = isSkip ? "S" : entry.code;
    button.append(chip);
    item.append(button);
    return item;
  }

  refuse(entry, error) {
    const what = entry.ballot.kind === "answer" ? this.nameOf(entry.ballot.code) : word(entry.ballot.kind === "skip" ? "skipped" : "taken-back");
    this.refusals.push(word("refused", { what, sample: entry.sample.key, error }));
  }

  /* Says what waits and why; a refused vote stays named until it is clicked away. */
  showLink({ size, isOffline, isSignedOut, isSafe = true }) {
    const words = [...this.refusals];
    if (isSignedOut) words.push(counted("signed-out", size));
    else if (isOffline) words.push(counted("offline", size));
    if (!isSafe) words.push(word("not-kept"));
    this.link.textContent = words.join(" ");
    this.link.hidden = words.length === 0;
    this.link.classList.toggle("refused", this.refusals.length > 0);
  }
}
