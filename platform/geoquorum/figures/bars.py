"""Bars by class, in the scheme's order, each standing on its code in its colour."""

from collections.abc import Mapping

from django.utils.safestring import SafeString

from fusion.scheme import LabelClass, Scheme
from geoquorum.figures.svg import Plot, element, frame, text, write_number

CODE_HEIGHT = 20
LETTER_PX = 8  # of a bold figure or letter of 12 px, the widest aside


def code_box(label: LabelClass, x: float, y: float, width: float, height: float = CODE_HEIGHT) -> list[SafeString]:
    """A class's colour with as much of its code printed on it as fits; the whole name is shown on hover."""
    return [
        element(
            "rect",
            element("title", f"{label.code} {label.name}"),
            x=x,
            y=y,
            width=width,
            height=height,
            fill=label.colour,
            class_="mark",
        ),
        element(
            "text",
            label.code[: int(width // LETTER_PX)],
            x=x + width / 2,
            y=y + height / 2 + 4,
            text_anchor="middle",
            font_weight=600,
            fill=label.ink,
        ),
    ]


def class_bars(
    scheme: Scheme, values: Mapping[str, float], *, title: str, y_label: str, width: int = 560, height: int = 250
) -> SafeString:
    """One bar for every class of the scheme (0 where `values` has none), the value printed above it."""
    highest = max([*values.values(), 0.0]) or 1.0
    plot = Plot(
        left=52,
        top=34,
        right=width - 4,
        bottom=height - CODE_HEIGHT - 6,
        x_range=(0, len(scheme)),
        y_range=(0, highest * 1.08),
    )
    parts = plot.draw_y(y_label)
    for index, label in enumerate(scheme.classes):
        parts += _draw_bar(plot, label, index, values.get(label.code, 0) or 0)
    return frame(width, height, title, parts)


def _draw_bar(plot: Plot, label: LabelClass, index: int, value: float) -> list[SafeString]:
    slot = plot.x(1) - plot.x(0)
    x, width, top = plot.x(index) + slot * 0.12, slot * 0.76, plot.y(value)
    bar = element(
        "rect",
        element("title", f"{label.code} {label.name}: {write_number(value)}"),
        x=x,
        y=top,
        width=width,
        height=plot.bottom - top,
        fill=label.colour,
        class_="mark",
    )
    number = text(x + width / 2, top - 4, write_number(round(value, 3)), anchor="middle", class_="tick")
    return [bar, number, *code_box(label, x, plot.bottom + 3, width)]
