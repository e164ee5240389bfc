"""What holds on every vote page, whatever it asks: nothing cut off, nothing ragged, nothing to be pushed sideways."""

from playwright.sync_api import Page

PHONES = ((360, 740), (390, 844), (430, 932))
LAPTOP = (1366, 768)
SMALLEST_PX = 12

FIND_FAULTS = """smallest => {
  const faults = [];
  const blame = (fault, element) => faults.push(`${fault}: ${element.outerHTML.slice(0, 90)}`);
  const { clientWidth: wide, scrollWidth } = document.documentElement;
  if (scrollWidth > wide) faults.push(`the page is ${scrollWidth} px wide`);
  for (const element of document.querySelectorAll("main *")) {
    if (!element.checkVisibility({ visibilityProperty: true }) || element.closest(".visually-hidden")) continue;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    const isWider = element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
    if (isWider && ["auto", "scroll"].includes(style.overflowX)) blame("goes sideways", element);
    if (isWider && element.matches("button, .pace, .progress-text, .vote-status")) blame("cut off", element);
    if (element.matches("button, a") && (box.left < -1 || box.right > wide + 1)) blame("beside the screen", element);
    const hasWords = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const size = parseFloat(style.fontSize) * (element.ownerSVGElement ? element.getScreenCTM().a : 1);
    if (hasWords && size < smallest - 0.05) blame(`${size.toFixed(1)} px`, element);
  }
  const pad = document.querySelector(".pad").getBoundingClientRect(), rows = new Map();
  for (const cell of document.querySelectorAll(".pad .pad-key, .pad-field > .pad-name")) {
    const box = cell.getBoundingClientRect(), row = Math.round((box.top + box.height / 2) / 8);
    rows.set(row, [...(rows.get(row) ?? []), box]);
  }
  for (const [row, boxes] of rows) {
    const widths = boxes.map((box) => box.width);
    const [left, right] = [Math.min(...boxes.map((box) => box.left)), Math.max(...boxes.map((box) => box.right))];
    if (left > pad.left + 1.5 || right < pad.right - 1.5) faults.push(`a gap in the pad's row at ${8 * row}`);
    if (Math.max(...widths) - Math.min(...widths) > 1.5) faults.push(`widths ${widths} in the row at ${8 * row}`);
  }
  return faults;
}"""


def check_layout(page: Page) -> None:
    """On three phones and on a laptop."""
    for width, height in (*PHONES, LAPTOP):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(150)
        assert page.evaluate(FIND_FAULTS, SMALLEST_PX) == [], (width, height)
