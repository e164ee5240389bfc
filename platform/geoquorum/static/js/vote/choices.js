/* What an expert has chosen for the sample shown, beside the class itself: second choice, unsure, note, choice fields,
   and whether to raise it for discussion. `awaiting` names what the next key fills: "second" or a field's name. */

import { word } from "./words.js";

export class Choices {
  constructor(page, { say, nameOf }) {
    Object.assign(this, { page, say, nameOf });
    this.fields = page.question.fields.filter((field) => field.kind === "choice");
    this.forget();
  }

  forget() {
    Object.assign(this, { second: "", isUnsure: false, note: "", isRaised: false, awaiting: null, chosen: {} });
    this.draw();
  }

  /* Takes the choices of an earlier vote, so that a revision keeps what it does not change. */
  recall({ second_code: second = "", is_sure: isSure = true, answer }) {
    this.second = second;
    this.isUnsure = !isSure;
    for (const field of this.fields) if (answer?.[field.name]) this.chosen[field.name] = answer[field.name];
    this.draw();
  }

  askSecond() {
    if (!this.page.question.has_second_choice) return;
    this.awaiting = "second";
    this.say(word("second-which"));
  }

  chooseSecond(code) {
    this.awaiting = null;
    this.second = this.second === code ? "" : code;
    this.draw();
    this.say(word("second-chosen", { code: this.nameOf(code) }));
  }

  askField(field) {
    this.awaiting = field.name;
    this.say(word("field-which", { field: field.title }));
  }

  /* Returns whether `key` was one that the awaited field has. */
  takeKey(key) {
    const field = this.fields.find((one) => one.name === this.awaiting);
    const option = field?.options.find((one) => one.key.toUpperCase() === key);
    this.awaiting = null;
    if (option) this.choose(field, option);
    return Boolean(option);
  }

  choose(field, option) {
    this.awaiting = null;
    this.chosen[field.name] = this.chosen[field.name] === option.code ? undefined : option.code;
    this.draw();
    this.say(`${field.title}: ${option.name}`);
  }

  turnUnsure() {
    this.isUnsure = !this.isUnsure;
    this.draw();
  }

  turnRaised() {
    this.isRaised = !this.isRaised;
    this.draw();
    this.say(word(this.isRaised ? "raise-later" : "raise-not"));
  }

  /* Extra fields of the ballot: what the stage says, and the chosen options; null where there is nothing. */
  answer(ofStage) {
    const chosen = Object.entries(this.chosen).filter(([, code]) => code !== undefined);
    const whole = { ...ofStage, ...Object.fromEntries(chosen) };
    return Object.keys(whole).length ? whole : null;
  }

  /* The first required field that has no answer, or undefined. */
  missing(answer) {
    return this.page.question.fields.find((field) => field.is_required && answer?.[field.name] == null);
  }

  draw() {
    press(document.querySelector("button[data-key=Shift]"), this.isUnsure);
    press(document.querySelector("[data-raise]"), this.isRaised);
    for (const button of document.querySelectorAll(".pad-key[data-code]")) button.classList.toggle("second", button.dataset.code === this.second);
    for (const button of document.querySelectorAll("[data-option]")) press(button, this.chosen[button.dataset.field] === button.dataset.option);
  }
}

function press(button, isPressed) {
  button?.setAttribute("aria-pressed", String(isPressed));
}
