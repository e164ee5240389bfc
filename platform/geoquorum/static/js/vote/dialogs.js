/* The dialogs: skip with a reason, a note, the classes. They take their own keys. */

import { nameKey } from "./keys.js";

export class Dialogs {
  constructor({ keymap, onSkip, onNote }) {
    this.keymap = keymap;
    this.skip = document.getElementById("skip");
    this.note = document.getElementById("note");
    this.cards = document.getElementById("cards");
    this.form = this.skip.querySelector("[data-reason-form]");
    this.text = document.getElementById("reason-text");
    this.onSkip = onSkip;
    for (const button of this.skip.querySelectorAll("[data-reason]")) button.addEventListener("click", () => this.choose(button));
    document.addEventListener("keydown", (event) => this.skip.open && this.readReason(event)); // wherever the focus is
    this.form.addEventListener("submit", (event) => this.submitReason(event));
    this.note.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.note.close();
      onNote(document.getElementById("note-text").value.trim());
    });
    for (const area of [this.text, document.getElementById("note-text")]) area.addEventListener("keydown", sendOnEnter);
  }

  openSkip() {
    this.form.hidden = true;
    this.text.value = "";
    this.skip.showModal();
  }

  openNote(words) {
    document.getElementById("note-text").value = words;
    this.note.showModal();
  }

  readReason(event) {
    if (event.repeat || event.isComposing || event.target === this.text || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = this.keymap.read({ key: nameKey(event) })?.key;
    const button = [...this.skip.querySelectorAll("[data-reason]")].find((one) => one.dataset.reason === key);
    if (!button) return;
    event.preventDefault();
    this.choose(button);
  }

  choose(button) {
    this.reason = button.dataset.reason;
    if (!("needsText" in button.dataset)) return this.finish("");
    this.form.hidden = false;
    this.text.focus();
  }

  submitReason(event) {
    event.preventDefault();
    const words = this.text.value.trim();
    if (words) this.finish(words);
  }

  finish(words) {
    this.skip.close();
    this.onSkip(this.reason, words);
  }
}

function sendOnEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit();
}
