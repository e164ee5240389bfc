/* A box drawn on a photo: by mouse or finger, or by keys. It is held as [x0, y0, x1, y1] in fractions of the photo from
   its upper left corner.

   Keys while it is edited: arrows move it, Shift+arrows move its lower right corner, Enter or Esc ends, Delete removes.
   They are caught before the page sees them, so that the arrows do not walk through the history. */

const STEP = 0.02;
const LEAST = 0.01; // a click is no box
const STARTS = [0.25, 0.25, 0.75, 0.75];
const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

export class Box {
  /* `frame` has the photo's own shape; `mark` is the element drawn as the box; `onChange(words)` names what happened. */
  constructor(frame, mark, { onChange }) {
    Object.assign(this, { frame, mark, onChange, value: null, isEdited: false, start: null });
    frame.addEventListener("pointerdown", (event) => this.begin(event));
    frame.addEventListener("pointermove", (event) => this.drag(event));
    frame.addEventListener("pointerup", (event) => this.end(event));
    frame.addEventListener("pointercancel", () => this.cancel());
    document.addEventListener("keydown", (event) => this.press(event), { capture: true });
  }

  /* B: begins with a box in the middle, goes on with the one there is, or ends. */
  toggle() {
    if (this.isEdited) return this.finish();
    this.set(this.value ?? STARTS, true);
    this.onChange("box-edit");
  }

  finish() {
    this.set(this.value, false);
    this.onChange(this.value ? "box-kept" : "box-none");
  }

  remove() {
    this.set(null, false);
    this.onChange("box-none");
  }

  set(value, isEdited = false) {
    Object.assign(this, { value: value && value.map((part) => Math.round(part * 1e4) / 1e4), isEdited });
    this.draw();
  }

  draw() {
    this.mark.hidden = !this.value;
    this.mark.classList.toggle("edited", this.isEdited);
    if (!this.value) return;
    const [x0, y0, x1, y1] = this.value.map((part) => 100 * part);
    Object.assign(this.mark.style, { left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%` });
  }

  press(event) {
    if (!this.isEdited || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (ARROWS[event.key]) this.move(ARROWS[event.key], event.shiftKey);
    else if (event.key === "Enter" || event.key === "Escape") this.finish();
    else if (event.key === "Delete") this.remove();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  move([right, down], isResize) {
    const [x0, y0, x1, y1] = this.value;
    if (isResize) return this.set([x0, y0, clamp(x1 + right, x0 + LEAST, 1), clamp(y1 + down, y0 + LEAST, 1)], true);
    const [dx, dy] = [clamp(right, -x0, 1 - x1), clamp(down, -y0, 1 - y1)];
    this.set([x0 + dx, y0 + dy, x1 + dx, y1 + dy], true);
  }

  // Mouse and finger

  at(event) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    return [clamp((event.clientX - left) / width, 0, 1), clamp((event.clientY - top) / height, 0, 1)];
  }

  begin(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    this.frame.setPointerCapture(event.pointerId);
    Object.assign(this, { start: this.at(event), before: this.value });
  }

  drag(event) {
    if (!this.start) return;
    const [x, y] = this.at(event);
    const [u, v] = this.start;
    this.set([Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)], true);
  }

  end(event) {
    if (!this.start) return;
    this.drag(event);
    this.start = null;
    const [x0, y0, x1, y1] = this.value;
    if (x1 - x0 < LEAST || y1 - y0 < LEAST) return this.set(this.before, false);
    this.set(this.value, false);
    this.onChange("box-kept");
  }

  cancel() {
    if (this.start) this.set(this.before, false);
    this.start = null;
  }
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
