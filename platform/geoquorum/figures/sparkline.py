"""A course of shares in the height of a line of text."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from geoquorum.figures.svg import Plot, element, frame, line


def sparkline(values: Sequence[float], *, title: str, width: int = 120, height: int = 24) -> SafeString:
    """Values 0 to 1 from left to right over a rule at 0, the last one marked; its title says the numbers."""
    plot = Plot(left=2, top=3, right=width - 5, bottom=height - 3, x_range=(0, max(len(values) - 1, 1)), y_range=(0, 1))
    points = [(plot.x(place), plot.y(value)) for place, value in enumerate(values)]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    words = f"{title}: {', '.join(f'{value:.2f}' for value in values) or '–'}"
    parts = [line(plot.left, plot.bottom, plot.right, plot.bottom, "grid")]
    if points:
        parts.append(element("polyline", points=joined, class_="series s1"))
        parts.append(element("circle", cx=points[-1][0], cy=points[-1][1], r=3, class_="f1"))
    return frame(width, height, words, parts, class_="chart inline")
