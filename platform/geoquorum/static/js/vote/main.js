/* The vote page: shows a sample, takes a key, goes on at once; votes travel in the background. */

import { showHelp } from "../shell.js";
import { get, isSignedOut, judge, post } from "./api.js";
import { makeBallot } from "./ballots.js";
import { Buffer, readSample } from "./buffer.js";
import { Dialogs } from "./dialogs.js";
import { History } from "./history.js";
import { readKey } from "./keys.js";
import { Outbox } from "./outbox.js";
import { Pictures } from "./pictures.js";
import { Rail } from "./rail.js";
import { Sitting } from "./sitting.js";
import { Spectrum } from "./spectrum.js";
import { Views } from "./views.js";
import { word } from "./words.js";

const RETRY_CLAIM_MS = 3_000;
const RENEW_MS = 120_000; // claims hold ten minutes unless the campaign says otherwise

const readJson = (id) => JSON.parse(document.getElementById(id).textContent);
const find = (name) => document.querySelector(`[data-${name}]`);

class VotePage {
  constructor() {
    this.page = { ...readJson("vote-config"), regions: {}, session: null };
    this.wavelengths = readJson("vote-wavelengths");
    this.classKeys = Object.fromEntries(this.page.scheme.classes.map((label) => [label.key.toUpperCase(), label.code]));
    this.own = { done: this.page.own.answered + this.page.own.skipped, total: this.page.own.total };
    this.link = { isOffline: false, isSignedOut: false };
    this.forget();
    this.history = new History();
    this.pictures = new Pictures(this.page);
    this.spectrum = new Spectrum(find("spectrum"));
    this.views = new Views(find("views"), this.page, this.pictures, { onPixel: (pixel) => this.spectrum.draw(pixel) });
    this.rail = new Rail(this.page, { onHistory: (assignment) => this.takeBack(assignment) });
    this.dialogs = new Dialogs({ onSkip: (reason, words) => this.skip(reason, words), onNote: (words) => this.keepNote(words) });
    this.sitting = new Sitting(this.page);
    this.outbox = new Outbox({
      prefix: `geoquorum.vote.${this.page.campaign}.${find("pad").dataset.expert}.`,
      send: (item) => this.send(item),
      onChange: () => this.showLink(),
    });
    this.buffer = new Buffer({
      ahead: this.page.question.prefetch,
      claim: (count) => post(this.page.urls.claim, { session: this.page.session, count }),
      isDecided: (assignment) => this.history.decided.has(assignment),
      onSamples: (body) => this.takeSamples(body),
      onProblem: (status, body) => this.meetProblem(status, body),
    });
  }

  async start() {
    this.listen();
    this.rail.showProgress(this.own);
    const [, past] = await Promise.all([this.sitting.begin(), get(this.page.urls.history)]);
    this.history.load(past.body.votes ?? [], this.outbox.items(), readSample);
    this.showLink();
    this.outbox.retry();
    this.fill(true);
    setInterval(() => document.hidden || this.fill(true), RENEW_MS);
  }

  listen() {
    document.addEventListener("keydown", (event) => this.press(event));
    document.addEventListener("keyup", (event) => event.key === " " && this.views.showOutline(true));
    document.addEventListener("click", (event) => this.click(event));
    window.addEventListener("online", () => { this.outbox.retry(); this.fill(true); });
    find("cover-again").addEventListener("click", () => this.fill(true));
  }

  /* Choices that belong to one sample. */
  forget() {
    Object.assign(this, { second: "", isChoosingSecond: false, isUnsure: false, note: "", probe: null, shownAt: null });
    for (const button of document.querySelectorAll(".pad-key.second")) button.classList.remove("second");
    document.querySelector("[data-command=unsure]").setAttribute("aria-pressed", "false");
  }

  // Samples

  fill(isForced = false) {
    return this.buffer.fill({ unsent: this.outbox.size, isForced });
  }

  takeSamples(body) {
    Object.assign(this.page.regions, body.regions);
    this.link.isOffline = this.link.isSignedOut = false;
    if (this.outbox.isWaiting) this.outbox.retry(); // the server answers again
    if (this.outbox.size === 0) this.own = { done: body.own.answered + body.own.skipped, total: body.own.total };
    this.rail.showProgress(this.own);
    this.showLink();
    this.showNext();
  }

  meetProblem(status, body) {
    if (judge(status) === "refused") return this.cover(word("closed"), body.error ?? "");
    this.link.isSignedOut = isSignedOut(status);
    this.link.isOffline = !this.link.isSignedOut;
    this.showLink();
    if (!this.buffer.current) this.cover(word(this.link.isSignedOut ? "signed-out-title" : "no-answer"), word("kept"), { canRetry: true });
    setTimeout(() => this.fill(true), RETRY_CLAIM_MS);
  }

  /* The first sample in hand; with none in hand, why. */
  showNext() {
    const sample = this.buffer.current;
    if (!sample) return this.showEnd();
    this.uncover();
    if (sample !== this.shown) this.show(sample);
    for (const next of this.buffer.samples.slice(1)) this.pictures.prefetch(next, this.views.season);
  }

  showEnd() {
    this.shown = null;
    if (this.buffer.isExhausted && this.outbox.size === 0) return this.cover(word("nothing-left"), word("nothing-left-text"));
    this.cover(word("loading-next"), "", { isQuiet: true });
    this.fill(true);
  }

  async show(sample) {
    this.shown = sample;
    this.forget();
    delete document.body.dataset.ready;
    find("sample-name").textContent = [this.page.regions[sample.region]?.name, sample.key].filter(Boolean).join(" · ");
    const isPainted = await this.views.show(sample);
    if (!isPainted || sample !== this.shown) return;
    this.shownAt = new Date().toISOString();
    document.body.dataset.ready = sample.assignment;
    this.showSeasons();
    this.showSpectrum();
  }

  showSeasons() {
    const seasons = this.views.seasons();
    const now = seasons.includes(this.views.season) ? this.views.season : seasons[0];
    find("seasons").replaceChildren(...seasons.map((season) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "stage-button", textContent: season || "–" });
      button.dataset.season = season;
      button.setAttribute("aria-pressed", String(season === now));
      return button;
    }));
  }

  async showSpectrum() {
    const [modality] = Object.keys(this.wavelengths);
    const view = this.page.question.views.find((one) => one.modality === modality);
    if (!view) return;
    const { shown } = this;
    try {
      const values = await this.pictures.values(shown, modality, this.pictures.seasonOf(shown, view, this.views.season));
      if (shown === this.shown) this.spectrum.show(values, this.wavelengths[modality]);
    } catch {
      this.spectrum.show(null);
    }
  }

  // Votes

  vote(code, isSure) {
    if (this.isChoosingSecond) return this.chooseSecond(code);
    if (code === this.second) return this.rail.say(word("second-differs"));
    this.decide({ kind: "answer", code, second_code: this.second, is_sure: isSure && !this.isUnsure, comment: this.note });
    flash(document.querySelector(`.pad-key[data-code="${CSS.escape(code)}"]`));
  }

  chooseSecond(code) {
    this.forgetSecond();
    this.second = code;
    document.querySelector(`.pad-key[data-code="${CSS.escape(code)}"]`).classList.add("second");
    this.rail.say(word("second-chosen", { code: this.rail.nameOf(code) }));
  }

  forgetSecond() {
    this.isChoosingSecond = false;
    document.querySelector(".pad-key.second")?.classList.remove("second");
  }

  skip(reason, words) {
    this.decide({ kind: "skip", skip_reason: reason, comment: words || this.note });
  }

  decide(said) {
    const sample = this.shown;
    if (!sample || !this.shownAt) return this.rail.say(word("wait"));
    const ballot = makeBallot({ page: this.page, sample, shownAt: this.shownAt, opened: this.views.opened, said });
    this.history.apply({ ...ballot, sample });
    this.own.done += 1;
    this.outbox.add({ ballot, sample });
    this.rail.showProgress(this.own);
    this.rail.sayVote(said, this.own);
    this.buffer.next();
    this.showNext();
    this.fill();
  }

  takeBack(assignment = this.history.last?.sample.assignment) {
    const entry = this.history.entries.find((one) => one.sample.assignment === assignment);
    if (!entry) return this.rail.say(word("nothing-to-take-back"));
    const ballot = makeBallot({ page: this.page, sample: entry.sample, shownAt: null, opened: [], said: { kind: "taken_back" } });
    this.history.remove(assignment);
    this.own.done -= 1;
    this.outbox.add({ ballot, sample: entry.sample });
    this.buffer.putBack(entry.sample);
    this.rail.showProgress(this.own);
    this.rail.say(word("took-back", { what: entry.kind === "skip" ? word("skipped") : this.rail.nameOf(entry.code) }));
    if (this.page.regions[entry.sample.region]) this.showNext();
    else this.fill(true);
  }

  keepNote(words) {
    this.note = words;
    this.rail.say(word(words ? "note-kept" : "note-none"));
  }

  async send({ ballot, sample }) {
    const { status, body } = await post(this.page.urls.vote, ballot);
    const outcome = judge(status);
    this.link.isSignedOut = isSignedOut(status);
    this.link.isOffline = outcome === "later" && !this.link.isSignedOut;
    if (outcome === "refused") this.meetRefusal({ ballot, sample }, body.error ?? `HTTP ${status}`);
    if (outcome !== "later" && !this.shown && this.outbox.size <= 1) setTimeout(() => this.fill(true));
    return outcome;
  }

  /* The server's word is final: the vote is named, and neither counted nor sent again. */
  meetRefusal(item, error) {
    this.rail.refuse(item, error);
    if (item.ballot.kind === "taken_back") return;
    this.history.refuse(item.sample.assignment);
    this.own.done -= 1;
    this.rail.showProgress(this.own);
  }

  showLink() {
    const items = this.outbox.items();
    this.rail.showLink({ ...this.link, size: items.length, isSafe: this.outbox.isSafe });
    this.rail.showHistory(this.history.shown, new Set(items.map((item) => item.ballot.client_uuid)));
    document.body.dataset.waiting = items.length;
  }

  // Keys, buttons, covers

  press(event) {
    const command = readKey(event, this.classKeys);
    if (!command) return;
    event.preventDefault();
    this.obey(command);
  }

  click(event) {
    const button = event.target.closest("[data-command], [data-code], [data-season]");
    if (!button) return;
    if (event.detail > 0) button.blur(); // else the space bar would press it again
    const { command, code, season } = button.dataset;
    if (season !== undefined) this.turnSeason(() => this.views.setSeason(season));
    else this.obey(code ? { name: "class", code, isSure: !event.shiftKey } : { name: command, isBack: event.shiftKey });
  }

  obey({ name, code, isSure, isBack }) {
    if (name === "pause") return this.pause();
    if (name === "help") return showHelp();
    if (name === "undo") return this.takeBack();
    if (name === "cards") return this.dialogs.cards.showModal();
    if (!this.shown || this.isPaused) return;
    const step = isBack ? -1 : 1;
    const actions = {
      class: () => this.vote(code, isSure),
      skip: () => this.dialogs.openSkip(),
      note: () => this.dialogs.openNote(this.note),
      unsure: () => this.turnUnsure(),
      second: () => this.askSecond(),
      season: () => this.turnSeason(() => this.views.turnSeason(step)),
      view: () => this.views.turnView(step),
      zoom: () => this.zoom(),
      outline: () => this.views.showOutline(false),
      reset: () => this.views.reset(),
      probe: () => this.moveProbe(null),
      up: () => (this.probe ? this.moveProbe([0, -1]) : this.views.brighten(1)),
      down: () => (this.probe ? this.moveProbe([0, 1]) : this.views.brighten(-1)),
      left: () => this.probe && this.moveProbe([-1, 0]),
      right: () => this.probe && this.moveProbe([1, 0]),
    };
    actions[name]();
  }

  askSecond() {
    if (!this.page.question.has_second_choice) return;
    this.isChoosingSecond = true;
    this.rail.say(word("second-which"));
  }

  turnUnsure() {
    this.isUnsure = !this.isUnsure;
    document.querySelector("[data-command=unsure]").setAttribute("aria-pressed", String(this.isUnsure));
  }

  async turnSeason(turn) {
    await turn();
    this.showSeasons();
    this.showSpectrum();
  }

  async zoom() {
    await this.views.toggleZoom();
    document.querySelector("[data-command=zoom]").setAttribute("aria-pressed", String(this.views.isCellOnly));
  }

  /* A pixel chosen by keys: `I` starts in the middle and ends it, the arrows move. */
  moveProbe(step) {
    const { width = 32, height = 32 } = this.spectrum.values ?? {};
    if (!step) this.probe = this.probe ? null : [Math.floor(width / 2), Math.floor(height / 2)];
    else this.probe = [clamp(this.probe[0] + step[0], width), clamp(this.probe[1] + step[1], height)];
    this.views.point(this.probe);
  }

  pause() {
    this.isPaused = !this.isPaused;
    this.sitting.turn(this.isPaused ? "pause" : "resume");
    if (this.isPaused) this.cover(word("paused"), word("paused-text"), { isQuiet: true });
    else this.showNext();
  }

  cover(title, text, { canRetry = false, isQuiet = false } = {}) {
    find("cover").hidden = false;
    find("cover-title").textContent = title;
    find("cover-text").textContent = text;
    find("cover-again").hidden = !canRetry;
    find("cover-leave").hidden = canRetry || isQuiet;
    document.body.dataset.covered = title;
  }

  uncover() {
    if (this.isPaused) return;
    find("cover").hidden = true;
    delete document.body.dataset.covered;
  }
}

const clamp = (place, size) => Math.max(0, Math.min(size - 1, place));

function flash(button) {
  button.classList.add("pressed");
  setTimeout(() => button.classList.remove("pressed"), 160);
}

new VotePage().start();
