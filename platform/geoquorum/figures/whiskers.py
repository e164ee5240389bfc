"""Values with their intervals: dot and whisker by row, and the small bar beside a number in a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from geoquorum.figures.svg import Plot, element, frame, line, text

ROW_PX = 30
LEFT_PX, LETTER_PX = 170, 7  # room for names; a letter of 12 px, the widest aside


@dataclass(frozen=True, kw_only=True)
class Whisker:
    """One row: a value with its 95 % interval; `is_marked` draws it in the accent (ours among the baselines)."""

    name: str
    value: float
    low: float
    high: float
    is_marked: bool = False


def whisker_chart(
    rows: Sequence[Whisker],
    *,
    title: str,
    x_label: str,
    x_range: tuple[float, float] = (0, 1),
    width: int = 560,
    limit: float | None = None,
) -> SafeString:
    """Rows in the order given, the name at the left, value and interval in figures at the right.

    `limit` is a value (what was promised) at which a dashed line is drawn.
    """
    left = max(LEFT_PX, *(LETTER_PX * len(row.name) + 16 for row in rows)) if rows else LEFT_PX
    plot = Plot(left=left, top=8, right=width - 150, bottom=8 + ROW_PX * len(rows), x_range=x_range, y_range=(0, 1))
    parts = [part for index, row in enumerate(rows) for part in _draw_row(plot, row, plot.top + ROW_PX * (index + 0.5))]
    dashed = [0.0] if x_range[0] < 0 < x_range[1] else []
    dashed += [] if limit is None else [limit]
    lines = [line(plot.x(value), plot.top, plot.x(value), plot.bottom, "diagonal") for value in dashed]
    return frame(width, plot.bottom + 40, title, [*lines, *parts, *plot.draw_x(x_label)])


def _draw_row(plot: Plot, row: Whisker, y: float) -> list[SafeString]:
    hue = "1" if row.is_marked else ""
    figures = f"{row.value:.3f}  [{row.low:.3f}, {row.high:.3f}]"
    return [
        text(plot.left - 12, y + 4, row.name, anchor="end", font_weight=600 if row.is_marked else None),
        line(plot.left, y, plot.right, y, "grid"),
        line(plot.x(row.low), y, plot.x(row.high), y, f"series s{hue}" if hue else "whisker"),
        element("circle", cx=plot.x(row.value), cy=y, r=5, class_=f"f{hue}" if hue else "dot"),
        text(plot.right + 12, y + 4, figures),
    ]


def interval_bar(
    value: float, low: float, high: float, *, smallest: float = 0.0, largest: float = 1.0, width: int = 120
) -> SafeString:
    """A bar 16 px high for a table cell: the interval as a band, the value as a stroke."""
    plot = Plot(left=2, top=2, right=width - 2, bottom=14, x_range=(smallest, largest), y_range=(0, 1))
    words = f"{value:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    band = element(
        "rect", x=plot.x(low), y=4, width=max(plot.x(high) - plot.x(low), 1.0), height=8, class_="f1", fill_opacity=0.4
    )
    stroke = element("rect", x=plot.x(value) - 1, y=2, width=2, height=12, class_="dot")
    return frame(width, 16, words, [line(2, 8, width - 2, 8, "grid"), band, stroke], class_="chart inline")
