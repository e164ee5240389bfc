"""The votes on one sample as a bar: a part for each class that was named, its code printed on it."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from fusion.scheme import Scheme
from geoquorum.figures.bars import code_box
from geoquorum.figures.svg import frame

WIDTH_PX, HEIGHT_PX = 220, 20


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
