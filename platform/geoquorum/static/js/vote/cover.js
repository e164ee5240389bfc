/* What lies over the stage when there is no sample to show, and says why. */

export class Cover {
  constructor(root, { onAgain }) {
    this.root = root;
    this.find = (name) => root.querySelector(`[data-cover-${name}]`);
    this.find("again").addEventListener("click", onAgain);
  }

  show(title, text, { canRetry = false, isQuiet = false } = {}) {
    this.root.hidden = false;
    this.find("title").textContent = title;
    this.find("text").textContent = text;
    this.find("again").hidden = !canRetry;
    this.find("leave").hidden = canRetry || isQuiet;
    document.body.dataset.covered = title;
  }

  hide() {
    this.root.hidden = true;
    delete document.body.dataset.covered;
  }
}
