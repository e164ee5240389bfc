"""The few pieces all figures are made of: elements, the frame with its text alternative, axes, ticks."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

Attribute = str | float | None


def element(name: str, *children: str, **attributes: Attribute) -> SafeString:
    """One SVG element; `class_` is written `class`, other underscores as dashes, None left out; children escaped."""
    shown = (
        (key.strip("_").replace("_", "-"), _write(value)) for key, value in attributes.items() if value is not None
    )
    inside = format_html_join("", "{}", ((child,) for child in children))
    return format_html("<{}{}>{}</{}>", name, format_html_join("", ' {}="{}"', shown), inside, name)


def _write(value: Attribute) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def frame(width: float, height: float, title: str, children: Iterable[str], class_: str = "chart") -> SafeString:
    """The outer element, with `title` read aloud in place of the picture."""
    return element(
        "svg",
        element("title", title),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        class_=class_,
        role="img",
        aria_label=title,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )


def text(
    x: float, y: float, words: str, *, anchor: str = "start", class_: str | None = None, **more: Attribute
) -> SafeString:
    """A line of text whose baseline is at y."""
    return element("text", words, x=x, y=y, text_anchor=anchor, class_=class_, **more)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> SafeString:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from low to high, about `count` of them (steps of 1, 2 or 5 times a power of ten)."""
    rough = (high - low) / max(count, 1)
    if not math.isfinite(rough) or rough <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def write_number(value: float) -> str:
    """A tick's text: as short as the number allows, thousands parted by a thin space."""
    if value and abs(value) < 1e-3:
        return f"{value:.0e}"
    return f"{value:,.6g}".replace(",", "\u2009") if abs(value) < 1e6 else f"{value:.3g}"


def measure(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Maps low..high to start..end."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """The rectangle that data are drawn in (pixels) and its two scales."""

    left: float
    top: float
    right: float
    bottom: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        return measure(*self.x_range, self.left, self.right)(value)

    def y(self, value: float) -> float:
        return measure(*self.y_range, self.bottom, self.top)(value)

    def draw_axes(self, x_label: str, y_label: str) -> list[SafeString]:
        """Horizontal grid, ticks of both axes, labels with units."""
        return [*self.draw_y(y_label), *self.draw_x(x_label)]

    def draw_y(self, label: str) -> list[SafeString]:
        """The left axis alone, with its grid."""
        parts = [text(4, self.top - 13, label, class_="tick")]
        for value in ticks(*self.y_range, 5):
            parts.append(line(self.left, self.y(value), self.right, self.y(value), "grid"))
            parts.append(text(self.left - 6, self.y(value) + 4, write_number(value), anchor="end", class_="tick"))
        return parts

    def draw_x(self, label: str) -> list[SafeString]:
        """The lower axis alone."""
        parts = [line(self.left, self.bottom, self.right, self.bottom, "axis")]
        for value in ticks(*self.x_range, 6):
            parts.append(line(self.x(value), self.bottom, self.x(value), self.bottom + 4, "axis"))
            parts.append(text(self.x(value), self.bottom + 17, write_number(value), anchor="middle", class_="tick"))
        middle = (self.left + self.right) / 2
        return [*parts, text(middle, self.bottom + 34, label, anchor="middle", class_="tick")]


def finite(points: Sequence[tuple[float | None, float | None]]) -> list[tuple[float, float]]:
    """Points without missing or non-finite numbers."""
    return [(float(x), float(y)) for x, y in points if x is not None and y is not None and math.isfinite(x + y)]
