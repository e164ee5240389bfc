/* The stage of patches and of areas: views side by side, dates, the pixel's spectrum; of an area its size.

   A stage is a class that is made once and shows one sample after another:
     constructor(root, page, hooks)  root: the element of templates/campaigns/stages/<layout>.html; page: `vote-config`
                                     with `regions`; hooks: {say(words), vote(code, isSure), skip(), changed()}
     async show(sample, entry)       resolves to whether it is painted (false: a later call overtook it); `entry` is the
                                     own earlier vote that is looked at, or null
     prefetch(sample)                fetches what `show` will need
     answer()                        extra fields of the vote ({name: value}), or null
     forget()                        drops what belongs to the sample shown; called before each `show`
     static keys()                   key -> title of all its commands, for the page on which keys are chosen
     commands                        key -> {title, run({isShift}), release()}; a button with `data-key` runs it, too
     opened                          Set of what was looked at, at most 40 letters each; stored with the vote */

import { sayArea } from "../area_facts.js";
import { ContextMap } from "../context_map.js";
import { frameOf, maskOf } from "../frame.js";
import { Pictures } from "../pictures.js";
import { Spectrum } from "../spectrum.js";
import { Views } from "../views.js";
import { word } from "../words.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const KEYS = {
  M: "key-map", V: "key-view", T: "key-date", Space: "key-outline", I: "key-spectrum", X: "key-reset", "+": "key-closer", "-": "key-wider",
  ArrowUp: "key-brighter", ArrowDown: "key-darker", "Shift+ArrowLeft": "key-pixel", "Shift+ArrowRight": "key-pixel",
  "Shift+ArrowUp": "key-pixel", "Shift+ArrowDown": "key-pixel",
};

export class Stage {
  constructor(root, page, hooks) {
    Object.assign(this, { root, page, hooks });
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.wavelengths = JSON.parse(document.getElementById("vote-wavelengths").textContent);
    this.pictures = new Pictures(page);
    document.querySelector("[data-spectrum]").hidden = Object.keys(this.wavelengths).length === 0;
    this.spectrum = new Spectrum(document.querySelector("[data-spectrum]"));
    this.views = new Views(this.find("views"), page, this.pictures, { onPixel: (pixel) => this.spectrum.draw(pixel) });
    this.map = new ContextMap(this.find("map"), page, this.pictures);
    this.probe = null;
    this.commands = this.makeCommands();
    this.find("seasons").addEventListener("click", (event) => {
      const button = event.target.closest("[data-season]");
      if (button) this.turnSeason(() => this.views.setSeason(button.dataset.season));
    });
  }

  static keys() {
    return Object.fromEntries(Object.entries(KEYS).map(([key, name]) => [key, word(name)]));
  }

  makeCommands() {
    const step = ({ isShift }) => (isShift ? -1 : 1);
    const runs = {
      M: () => this.toggleMap(),
      V: (press) => this.views.turnView(step(press)),
      T: (press) => this.turnSeason(() => this.views.turnSeason(step(press))),
      Space: () => this.views.showOutline(false),
      I: () => this.moveProbe(null),
      X: () => this.reset(),
      "+": () => (this.map.isOpen ? this.map.zoom(1) : this.zoom(true)),
      "-": () => (this.map.isOpen ? this.map.zoom(-1) : this.zoom(false)),
      ArrowUp: () => this.views.brighten(1),
      ArrowDown: () => this.views.brighten(-1),
    };
    for (const [key, by] of Object.entries(STEPS)) runs[`Shift+${key}`] = () => this.probe && this.moveProbe(by);
    const titles = Stage.keys();
    const commands = Object.fromEntries(Object.entries(runs).map(([key, run]) => [key, { title: titles[key], run }]));
    commands.Space.release = () => this.views.showOutline(true);
    return commands;
  }

  get opened() {
    return this.views.opened;
  }

  async show(sample) {
    this.shown = sample;
    this.showFacts(sample.content?.area);
    const painting = this.views.show(sample);
    this.showMap();
    const isPainted = await painting;
    if (!isPainted || sample !== this.shown) return false;
    this.showSeasons();
    this.showSpectrum();
    return true;
  }

  showFacts(area) {
    this.find("area-facts").hidden = !area;
    this.find("area-facts").textContent = area ? sayArea(area) : "";
  }

  prefetch(sample) {
    this.pictures.prefetch(sample, this.views.season);
    this.map.prefetch(sample);
  }

  answer() {
    return null;
  }

  forget() {
    this.probe = null;
    this.views.showOutline(true);
  }

  toggleMap() {
    this.map.toggle();
    this.find("map-button").setAttribute("aria-pressed", String(this.map.isOpen));
    this.showMap();
  }

  showMap() {
    this.map.season = this.views.season;
    if (this.map.isOpen) this.opened.add("map");
    return this.map.show(this.shown);
  }

  reset() {
    this.find("zoom").setAttribute("aria-pressed", "false");
    return this.views.reset();
  }

  async zoom(isCloser = !this.views.isCellOnly) {
    if (isCloser === this.views.isCellOnly) return;
    await this.views.toggleZoom();
    this.find("zoom").setAttribute("aria-pressed", String(isCloser));
  }

  async turnSeason(turn) {
    await turn();
    this.showSeasons();
    this.showSpectrum();
  }

  showSeasons() {
    const seasons = this.views.seasons();
    const now = seasons.includes(this.views.season) ? this.views.season : seasons[0];
    this.find("dates").hidden = seasons.length < 2;
    this.find("season-now").textContent = now || "–";
    this.find("seasons").replaceChildren(...seasons.map((season) => {
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
      const mask = maskOf(frameOf(shown, this.page.question.context_cells), values.width);
      if (shown === this.shown) this.spectrum.show(values, this.wavelengths[modality], mask);
    } catch {
      this.spectrum.show(null);
    }
  }

  /* A pixel chosen by keys: null starts in the middle or ends it, [columns, rows] moves it. */
  moveProbe(step) {
    const { width = 32, height = 32 } = this.spectrum.values ?? {};
    if (!step) this.probe = this.probe ? null : [Math.floor(width / 2), Math.floor(height / 2)];
    else this.probe = [clamp(this.probe[0] + step[0], width), clamp(this.probe[1] + step[1], height)];
    this.views.point(this.probe);
  }
}

const clamp = (place, size) => Math.max(0, Math.min(size - 1, place));
