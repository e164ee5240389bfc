"""The votes on one sample as a bar, a part for each class that was named, and its posterior as bars."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from fusion.scheme import Scheme
from geoquorum.campaigns.models import Consensus
from geoquorum.figures.bars import code_box
from geoquorum.figures.svg import element, frame, line, text

WIDTH_PX, HEIGHT_PX = 220, 20
ROW_PX, BAR_LEFT_PX, BAR_PX = 26, 42, 240
SHOWN_FROM, MOST_SHOWN = 0.005, 8


def draw_votes(scheme: Scheme, counts: Sequence[int]) -> SafeString:
    """Parts in the order of their votes, widths by share; [k] counts in the scheme's order."""
    total = sum(counts) or 1
    named = sorted((index for index, count in enumerate(counts) if count), key=lambda index: (-counts[index], index))
    parts, x = [], 0.0
    for index in named:
        width = WIDTH_PX * counts[index] / total
        parts += code_box(scheme.classes[index], x, 0, width, HEIGHT_PX)
        x += width
    words = ", ".join(f"{scheme.codes[index]}: {counts[index]}" for index in named)
    return frame(WIDTH_PX, HEIGHT_PX, words, parts, class_="chart inline")


def draw_posterior(scheme: Scheme, row: Consensus) -> SafeString:
    """Probability of each class above SHOWN_FROM, the likeliest first; the interval of the label as a whisker."""
    chances = sorted(enumerate(row.distribution), key=lambda pair: (-pair[1], pair[0]))
    shown = [(place, value) for place, value in chances if value >= SHOWN_FROM][:MOST_SHOWN]
    parts = []
    for line_number, (place, value) in enumerate(shown):
        label, y = scheme.classes[place], line_number * ROW_PX
        is_label = label.code == row.code
        parts += code_box(label, 0, y + 3, 34)
        parts.append(
            element("rect", x=BAR_LEFT_PX, y=y + 5, width=value * BAR_PX, height=16, fill=label.colour, class_="mark")
        )
        if is_label:
            parts += _draw_whisker(row.low, row.high, y + 13)
        parts.append(text(BAR_LEFT_PX + BAR_PX + 10, y + 18, f"{value:.2f}", font_weight=600 if is_label else None))
        parts.append(text(BAR_LEFT_PX + BAR_PX + 48, y + 18, label.name))
    words = ", ".join(f"{scheme.codes[place]}: {value:.2f}" for place, value in shown)
    return frame(BAR_LEFT_PX + BAR_PX + 190, max(len(shown), 1) * ROW_PX, words, parts)


def _draw_whisker(low: float, high: float, y: float) -> list[SafeString]:
    left, right = BAR_LEFT_PX + low * BAR_PX, BAR_LEFT_PX + high * BAR_PX
    ends = [line(x, y - 5, x, y + 5, "whisker") for x in (left, right)]
    return [line(left, y, right, y, "whisker"), *ends]
