"""Line chart: losses, accuracies, spectra over time."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from geoquorum.figures.svg import Plot, element, finite, frame, text

LABEL_STEP = 15
HUES = 4


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line: its name, (x, y) points in order of x, dashed or not. None and NaN are left out.

    A thin one stands behind the others, in the hue (1 to 4) of the line it belongs to; else lines take hues in turn.
    """

    name: str
    points: Sequence[tuple[float | None, float | None]]
    is_dashed: bool = False
    is_thin: bool = False
    hue: int | None = None


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    width: int = 560,
    height: int = 270,
) -> SafeString:
    """Lines in four hues in turn, named at their ends if they have names; data and zero fix the scale, or `y_range`."""
    cleaned = [(one, finite(one.points), one.hue or place % HUES + 1) for place, one in enumerate(series)]
    cleaned = [each for each in cleaned if each[1]]
    points = [point for _one, kept, _hue in cleaned for point in kept]
    plot = Plot(
        left=52,
        top=30,
        right=width - (116 if any(one.name for one in series) else 12),
        bottom=height - 42,
        x_range=_span_x(points),
        y_range=y_range or _span_y(points),
    )
    parts = plot.draw_axes(x_label, y_label)
    if not points:
        parts.append(text((plot.left + plot.right) / 2, height / 2, "no values yet", anchor="middle", class_="tick"))
    for one, kept, hue in sorted(cleaned, key=lambda each: not each[0].is_thin):
        parts += _draw(plot, one, kept, hue)
    parts += _name_ends(plot, [(one.name, kept, hue) for one, kept, hue in cleaned if one.name])
    return frame(width, height, title, parts)


def _span_x(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    xs = [x for x, _y in points] or [0.0, 1.0]
    return (min(xs), max(xs)) if max(xs) > min(xs) else (min(xs) - 0.5, min(xs) + 0.5)


def _span_y(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    ys = [y for _x, y in points] or [0.0, 1.0]
    low, high = min(0.0, *ys), max(ys)
    return (low, high * 1.05) if high > low else (low, low + 1.0)


def _draw(plot: Plot, one: Series, points: list[tuple[float, float]], hue: int) -> list[SafeString]:
    joined = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in points)
    look = f"series s{hue}{' dashed' if one.is_dashed else ''}{' thin' if one.is_thin else ''}"
    parts = [element("polyline", points=joined, class_=look)]
    if len(points) == 1:
        parts.append(element("circle", cx=plot.x(points[0][0]), cy=plot.y(points[0][1]), r=3, class_=f"f{hue}"))
    return parts


def _name_ends(plot: Plot, ends: list[tuple[str, list[tuple[float, float]], int]]) -> list[SafeString]:
    """Names at the ends of lines, moved apart where they would overlap."""
    placed, last = [], plot.top - LABEL_STEP
    for name, points, hue in sorted(ends, key=lambda end: plot.y(end[1][-1][1])):
        last = max(last + LABEL_STEP, plot.y(points[-1][1]) + 4)
        placed.append(element("rect", x=plot.right + 8, y=last - 8, width=8, height=8, class_=f"f{hue}"))
        placed.append(text(plot.right + 20, last, name))
    return placed
