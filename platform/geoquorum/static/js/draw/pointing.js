/* Mouse, pen and finger on the map: a press sets a corner, a drag moves a corner or the map, the wheel zooms. */

const SLIP_PX = 5; // a press that moves less is no drag
const WHEEL = 60;

export class Pointing {
  constructor(ground, { onPress, onHover, onCorner, onSplit, onDrop }) {
    Object.assign(this, { ground, onPress, onHover, onCorner, onSplit, onDrop, start: null });
    const { svg } = ground;
    svg.addEventListener("pointerdown", (event) => this.begin(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", (event) => this.end(event));
    svg.addEventListener("pointercancel", () => { this.start = null; });
    svg.addEventListener("pointerleave", () => this.onHover(null));
    svg.addEventListener("wheel", (event) => this.turn(event), { passive: false });
    this.turned = 0;
  }

  begin(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    const { corner, side } = event.target.dataset;
    this.ground.svg.setPointerCapture(event.pointerId);
    this.start = { x: event.clientX, y: event.clientY, isDrag: false, corner: corner === undefined ? -1 : Number(corner), side: side === undefined ? -1 : Number(side) };
  }

  move(event) {
    const { start } = this;
    if (!start) return event.pointerType === "mouse" && this.onHover(this.ground.at(event));
    const [right, down] = [event.clientX - start.x, event.clientY - start.y];
    if (!start.isDrag && Math.hypot(right, down) < SLIP_PX) return;
    if (!start.isDrag && start.side >= 0) start.corner = this.onSplit(start.side);
    start.isDrag = true;
    if (start.corner >= 0) return this.onCorner(start.corner, this.ground.at(event));
    this.ground.pan(-right, -down);
    Object.assign(start, { x: event.clientX, y: event.clientY });
  }

  end(event) {
    const { start } = this;
    this.start = null;
    if (!start) return;
    if (start.isDrag) return this.onDrop();
    this.onPress(this.ground.at(event), start.corner, start.side);
  }

  turn(event) {
    event.preventDefault();
    this.turned += event.deltaY;
    if (Math.abs(this.turned) < WHEEL) return;
    this.ground.zoom(this.turned < 0 ? 1 : -1, this.ground.at(event));
    this.turned = 0;
  }
}
