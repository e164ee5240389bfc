"""Grid cells of a region as squares in their class colours, north up."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from fusion.scheme import Scheme
from geoquorum.figures.svg import element, frame, text

SMALL_PX, LARGE_PX = 9, 18
CODES_FROM_PX, LARGEST_CODE_PX = 16, 16.0
PALE_BELOW = 0.6


@dataclass(frozen=True, kw_only=True)
class Square:
    """One cell: its column and row on the grid (row grows northwards), class, strength 0..1, words shown on hover."""

    column: int
    row: int
    code: str
    strength: float = 1.0
    words: str = ""
    is_marked: bool = False


def cell_map(scheme: Scheme, squares: Sequence[Square], *, title: str, largest_px: float = 380) -> SafeString:
    """Squares at their places; pale where `strength` is low, crossed where marked; codes are printed when they fit."""
    if not squares:
        return frame(120, 24, title, [text(0, 16, "–")])
    left, top = min(one.column for one in squares), max(one.row for one in squares)
    columns = max(one.column for one in squares) - left + 1
    rows = top - min(one.row for one in squares) + 1
    side = min(LARGE_PX, max(3.0, largest_px / max(columns, rows)))
    parts = [
        part
        for one in squares
        for part in draw_square(scheme, one, (one.column - left) * side, (top - one.row) * side, side)
    ]
    return frame(columns * side, rows * side, title, parts)


def draw_square(scheme: Scheme, one: Square, x: float, y: float, side: float) -> list[SafeString]:
    """One square at a place in pixels, with its words, its code where that fits, and its mark."""
    label = scheme.find(one.code)
    words = one.words or f"{label.code} {label.name}"
    strength = 0.15 + 0.85 * min(max(one.strength, 0.0), 1.0)
    parts = [
        element(
            "rect",
            element("title", words),
            x=x,
            y=y,
            width=side,
            height=side,
            fill=label.colour,
            fill_opacity=round(strength, 2),
        )
    ]
    if side >= CODES_FROM_PX:
        ink = label.ink if strength >= PALE_BELOW else None  # on a pale square the page's own ink reads better
        size = min(side * 0.6, LARGEST_CODE_PX)
        middle = y + side / 2 + size * 0.36
        parts.append(text(x + side / 2, middle, label.code, anchor="middle", fill=ink, font_size=size))
    if one.is_marked:
        parts.append(element("path", d=f"M{x:.1f} {y:.1f}l{side:.1f} {side:.1f}", class_="mark"))
    return parts
