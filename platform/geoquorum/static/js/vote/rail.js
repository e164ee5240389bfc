/* What stands in the rail: progress, last ten votes, the spoken line, the state of the connection. */

import { counted, word } from "./words.js";

export class Rail {
  constructor(page, { onHistory }) {
    const find = (name) => document.querySelector(`[data-${name}]`);
    Object.assign(this, { page, status: find("status"), link: find("link"), list: find("history"), thread: find("thread") });
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
  sayVote(said, { done, total }, isNew) {
    this.say(`${this.tell(said)}, ${isNew ? word("of", { done, total }) : word("changed")}`);
  }

  /* "LCZ 6, sure, second 5" */
  tell(said) {
    if (said.kind === "skip") return word("skipped");
    const second = said.second_code ? `, ${word("second", { code: said.second_code })}` : "";
    return `${this.nameOf(said.code)}, ${word(said.is_sure ? "sure" : "unsure")}${second}`;
  }

  /* Marks the own earlier vote that is looked at, on the pad and in words; null marks none. */
  markPast(past, history) {
    document.body.classList.toggle("in-past", Boolean(past));
    for (const button of document.querySelectorAll(".pad-key[data-code]")) button.classList.toggle("own", past?.kind === "answer" && button.dataset.code === past.code);
    if (past) this.say(word("past", { what: this.tell(past), n: history.entries.length - history.placeOf(past.sample.assignment) }));
  }

  nameOf(code) {
    return this.page.scheme.name.startsWith("lcz") ? `LCZ ${code}` : (this.labelOf(code)?.name ?? code);
  }

  labelOf(code) {
    return this.page.scheme.classes.find((label) => label.code === code);
  }

  showHistory(entries, unsent, past) {
    this.showThread(past && !unsent.has(past.client_uuid) ? past.sample : null);
    this.list.replaceChildren(...entries.map((entry) => this.drawEntry(entry, unsent, past)));
  }

  /* The way to the discussion of a sample whose own vote is stored: the server opens it to nobody before. */
  showThread(sample) {
    this.thread.hidden = !sample || !this.page.urls.thread;
    if (sample) this.thread.href = this.page.urls.thread.replace("/0/", `/${sample.sample}/`);
  }

  /* Made-up pixels are named as such, even one sample among real ones. */
  showOrigin(sample) {
    const isMadeUp = this.page.is_simulated || sample.is_simulated || this.page.regions[sample.region]?.is_simulated;
    document.querySelector("[data-simulated]").hidden = !isMadeUp;
  }

  drawEntry(entry, unsent, past) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const chip = document.createElement("span");
    button.type = "button";
    button.dataset.assignment = entry.sample.assignment;
    const isSkip = entry.kind === "skip";
    button.title = word("look-again", { what: this.tell(entry) });
    button.setAttribute("aria-label", button.title);
    if (entry.sample.assignment === past?.sample.assignment) button.setAttribute("aria-current", "true");
    if (unsent.has(entry.client_uuid)) button.className = "unsent";
    chip.className = isSkip ? "chip skipped" : `chip swatch-${this.page.scheme.name}-${entry.code.replace(/[^\w-]/g, "-")}${entry.is_sure ? "" : " unsure"}`;
    chip.textContent = isSkip ? "S" : (this.labelOf(entry.code)?.sign ?? entry.code);
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
