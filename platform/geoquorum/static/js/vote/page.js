/* The vote page: shows a sample, takes a key, goes on at once. */

import { get, isSignedOut, judge, post } from "./api.js";
import { Buffer, readSample } from "./buffer.js";
import { Casting } from "./casting.js";
import { Choices } from "./choices.js";
import { isAlways, makeCommands, moveKeys } from "./commands.js";
import { Cover } from "./cover.js";
import { Dialogs } from "./dialogs.js";
import { History } from "./history.js";
import { fillKeyTable } from "./key_table.js";
import { Keymap } from "./keymap.js";
import { readKey } from "./keys.js";
import { Pace } from "./pace.js";
import { Rail } from "./rail.js";
import { Sitting } from "./sitting.js";
import { word } from "./words.js";

const RETRY_CLAIM_S = 3;
const RENEW_MS = 120_000; // claims hold ten minutes unless the campaign says otherwise

const find = (name) => document.querySelector(`[data-${name}]`);

export class VotePage {
  constructor(page, Stage) {
    this.page = page;
    this.classes = Object.fromEntries(page.scheme.classes.map((label) => [label.key.toUpperCase(), label.code]));
    this.keymap = new Keymap(page.preferences);
    this.history = new History();
    this.rail = new Rail(page, { onHistory: (assignment) => this.look(this.history.find(assignment)) });
    const say = (words) => this.rail.say(words);
    this.choices = new Choices(page, { say, nameOf: (code) => this.rail.nameOf(code) });
    this.dialogs = new Dialogs({ keymap: this.keymap, onSkip: (reason, words) => this.skip(reason, words), onNote: (words) => this.keepNote(words) });
    this.cover = new Cover(find("cover"), { onAgain: () => this.fill(true) });
    this.sitting = new Sitting(page, { onTurn: (reasons) => this.turnClock(reasons), onBreak: () => this.proposeBreak() });
    this.pace = new Pace(find("pace"), this.sitting);
    const hooks = { say, vote: (code, isSure = true) => this.vote(code, isSure), skip: (reason) => (reason ? this.skip(reason, "") : this.dialogs.openSkip()), changed: () => {} };
    this.stage = new Stage(find("stage"), page, hooks);
    this.commands = { ...moveKeys(makeCommands(this), page.question.moved_keys), ...this.stage.commands };
    this.casting = new Casting(page, { history: this.history, rail: this.rail, onLink: (link, waiting) => this.showLink(link, waiting), onSent: () => this.meetSent() });
    this.buffer = new Buffer({
      ahead: page.question.prefetch,
      claim: (count) => post(page.urls.claim, { session: page.session, count }),
      isDecided: (assignment) => this.history.decided.has(assignment),
      onSamples: (body) => this.takeSamples(body),
      onProblem: (answer) => this.meetProblem(answer),
    });
    Object.assign(this, { shown: null, shownAt: null, past: null, isPaused: false });
  }

  async start() {
    this.listen();
    fillKeyTable(find("key-table"), this.commands);
    this.keymap.label(document);
    this.rail.showProgress(this.casting.own);
    const [, past] = await Promise.all([this.sitting.begin(), get(this.page.urls.history)]);
    Object.assign(this.page.regions, past.body.regions);
    this.history.load(past.body.votes ?? [], this.casting.waiting(), readSample);
    this.casting.showLink();
    this.casting.outbox.retry();
    this.fill(true);
    setInterval(() => document.hidden || this.fill(true), RENEW_MS);
  }

  listen() {
    document.addEventListener("keydown", (event) => this.press(event));
    document.addEventListener("keyup", (event) => this.release(event));
    document.addEventListener("click", (event) => this.click(event));
    find("break").addEventListener("click", () => { find("break").hidden = true; });
    window.addEventListener("online", () => { this.casting.outbox.retry(); this.fill(true); });
  }

  // Samples

  fill(isForced = false) {
    return this.buffer.fill({ unsent: this.casting.waiting().length, isForced });
  }

  takeSamples(body) {
    Object.assign(this.page.regions, body.regions);
    this.casting.meetLink(null);
    this.casting.takeOwn(body.own);
    this.showNext();
  }

  meetProblem({ status, body, retryAfterS }) {
    if (judge(status, body) === "refused") return this.cover.show(word("closed"), body.error ?? "");
    const isOut = isSignedOut(status, body);
    this.casting.meetLink({ isSignedOut: isOut, isOffline: !isOut });
    if (!this.buffer.current && !this.past) this.cover.show(word(isOut ? "signed-out-title" : "no-answer"), word("kept"), { canRetry: true });
    setTimeout(() => this.fill(true), 1000 * Math.max(RETRY_CLAIM_S, retryAfterS));
  }

  meetSent() {
    if (!this.shown && this.casting.outbox.size <= 1) setTimeout(() => this.fill(true));
  }

  /* The vote looked at, else the first sample in hand; with none in hand, why. */
  showNext() {
    const sample = this.past?.sample ?? this.buffer.current;
    if (!sample) return this.showEnd();
    if (!this.isPaused) this.cover.hide();
    if (sample !== this.shown) this.show(sample);
    for (const next of this.buffer.samples.slice(this.past ? 0 : 1)) this.stage.prefetch(next);
  }

  showEnd() {
    this.shown = null;
    if (this.buffer.isExhausted && this.casting.waiting().length === 0) return this.cover.show(word("nothing-left"), word("nothing-left-text"));
    this.cover.show(word("loading-next"), "", { isQuiet: true });
    this.fill(true);
  }

  async show(sample) {
    const { past } = this;
    Object.assign(this, { shown: sample, shownAt: null });
    this.choices.forget();
    this.stage.forget();
    delete document.body.dataset.ready;
    find("sample-name").textContent = [this.page.regions[sample.region]?.name, sample.key].filter(Boolean).join(" · ");
    find("prompt").textContent = sample.prompt ?? "";
    this.rail.showOrigin(sample);
    this.rail.markPast(past, this.history);
    if (past) this.choices.recall(past);
    const isPainted = await this.stage.show(sample, past);
    if (!isPainted || sample !== this.shown) return;
    this.shownAt = new Date().toISOString();
    this.pace.begin();
    document.body.dataset.ready = sample.assignment;
  }

  // Own history

  walk(step) {
    const next = this.history.step(this.past, step);
    if (next) return this.look(next);
    if (step < 0 || !this.past) return this.rail.say(word(step < 0 ? "no-earlier" : "no-later"));
    this.leavePast();
  }

  look(entry) {
    if (!entry) return;
    this.past = entry;
    this.showNext();
    this.casting.showLink();
  }

  /* Esc: back to the sample to vote on, and no key is waited for. */
  leave() {
    this.choices.awaiting = null;
    if (this.past) this.leavePast();
  }

  leavePast() {
    this.past = null;
    this.rail.say(word("no-later"));
    this.showNext();
    this.casting.showLink();
  }

  // Votes

  vote(code, isSure) {
    if (code === this.choices.second) return this.rail.say(word("second-differs"));
    const answer = this.choices.answer(this.stage.answer());
    const missing = this.choices.missing(answer);
    if (missing) return this.rail.say(word("field-missing", { field: missing.title }));
    const said = { kind: "answer", code, second_code: this.choices.second, is_sure: isSure && !this.choices.isUnsure, comment: this.choices.note };
    this.decide(answer ? { ...said, answer } : said);
    flash(document.querySelector(`.pad-key[data-code="${CSS.escape(code)}"]`));
  }

  skip(reason, words) {
    this.decide({ kind: "skip", skip_reason: reason, comment: words || this.choices.note });
  }

  decide(said) {
    const { shown: sample, shownAt, past } = this;
    if (!sample || !shownAt) return this.rail.say(word("wait"));
    this.past = null;
    if (!past) this.buffer.next();
    this.pace.count();
    this.casting.decide({ sample, shownAt, opened: this.stage.opened, said, isRaised: this.choices.isRaised });
    this.showNext();
    this.fill();
  }

  takeBack() {
    const sample = this.casting.takeBack(this.past ?? this.history.last);
    if (!sample) return;
    this.past = null;
    this.buffer.putBack(sample);
    if (this.page.regions[sample.region] || sample.region === null) this.showNext();
    else this.fill(true);
  }

  keepNote(words) {
    this.choices.note = words;
    this.rail.say(word(words ? "note-kept" : "note-none"));
  }

  /* Discussion opens after the own vote: until then the wish goes with it. */
  raise() {
    if (!this.page.urls.raise) return this.rail.say(word("no-discussion"));
    if (this.past) return this.casting.raise(this.past.sample);
    this.choices.turnRaised();
  }

  showLink(link, waiting) {
    this.rail.showLink(link);
    this.rail.showHistory(this.history.shown(this.past), new Set(waiting.map((item) => item.ballot.client_uuid)), this.past);
    document.body.dataset.waiting = link.size;
  }

  // Keys, buttons, pause

  press(event) {
    const press = this.keymap.read(readKey(event));
    if (!press || !this.obey(press)) return;
    event.preventDefault();
  }

  release(event) {
    const press = this.keymap.read(readKey(event));
    if (press) this.commands[press.key]?.release?.();
  }

  click(event) {
    const button = event.target.closest("[data-key], [data-code], [data-option]");
    if (!button || button.closest("dialog") || button.matches("kbd")) return;
    if (event.detail > 0) button.blur(); // else the space bar would press it again
    const { key, code, field, option } = button.dataset;
    if (option !== undefined) return this.chooseOption(field, option);
    this.obey({ key: code === undefined ? key : this.keyOf(code), isShift: event.shiftKey });
  }

  keyOf(code) {
    return Object.keys(this.classes).find((key) => this.classes[key] === code);
  }

  chooseOption(name, code) {
    const field = this.choices.fields.find((one) => one.name === name);
    this.choices.choose(field, field.options.find((one) => one.code === code));
  }

  /* Returns whether the key meant anything. */
  obey(press) {
    const { key, isShift } = press;
    const isHeld = !this.shown || this.isPaused;
    if (isHeld && !isAlways(key)) return false;
    const isClass = Object.hasOwn(this.classes, key);
    if (isClass && this.choices.awaiting === "second") this.choices.chooseSecond(this.classes[key]);
    else if (this.choices.awaiting && this.choices.takeKey(key)) return true;
    else if (isClass) this.vote(this.classes[key], !isShift);
    else if (this.fieldOf(key)) this.choices.askField(this.fieldOf(key));
    else {
      const command = this.commands[isShift ? `Shift+${key}` : key] ?? this.commands[key];
      if (!command) return false;
      command.run(press);
    }
    return true;
  }

  fieldOf(key) {
    return this.choices.fields.find((field) => field.key.toUpperCase() === key);
  }

  openCards() {
    this.stage.opened.add("cards");
    this.dialogs.cards.showModal();
  }

  pause() {
    find("break").hidden = true;
    this.isPaused = !this.isPaused;
    if (this.isPaused) this.sitting.stop("asked");
    else this.sitting.go("asked");
    if (this.isPaused) this.cover.show(word("paused"), word("paused-text", { key: this.keymap.keyFor("P") }), { isQuiet: true });
    else this.showNext();
  }

  turnClock(reasons) {
    if (reasons.has("idle") && !reasons.has("hidden")) this.rail.say(word("idle"));
  }

  proposeBreak() {
    find("break").hidden = false;
  }
}

function flash(button) {
  button?.classList.add("pressed");
  setTimeout(() => button?.classList.remove("pressed"), 160);
}
