"""Matrix of counts between two readings of the same classes: expert and truth, expert and expert, map and truth."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from fusion.scheme import Scheme
from geoquorum.figures.bars import code_box
from geoquorum.figures.svg import element, frame, text, write_number

CELL_PX, LEFT_PX, TOP_PX, RIGHT_PX = 34, 100, 44, 92
DARK_FROM = 0.5  # opacity of a cell from which its text is printed in the paper's colour


def confusion_matrix(
    scheme: Scheme,
    counts: Sequence[Sequence[float]],
    *,
    title: str,
    row_label: str,
    column_label: str,
    has_shares: bool = False,
    blocks: Sequence[tuple[int, int]] = (),
) -> SafeString:
    """Rows in the scheme's order; shade: square root of the row's share, so that rare confusion is seen; text: count,
    or with `has_shares` the row's share in percent.

    `counts` are integers or expected counts, [k, k]; the right column gives n and the share on the diagonal. `blocks`
    outlines classes that are alike, each from its first to before its last place.
    """
    size = len(scheme)
    width, height = LEFT_PX + size * CELL_PX + RIGHT_PX, TOP_PX + size * CELL_PX + 6
    parts = [text(LEFT_PX, 12, column_label, class_="tick"), text(2, TOP_PX - 8, row_label, class_="tick")]
    for index, label in enumerate(scheme.classes):
        along = index * CELL_PX
        parts += code_box(label, LEFT_PX + along + 3, TOP_PX - 24, CELL_PX - 6)
        parts += code_box(label, LEFT_PX - 34, TOP_PX + along + 7, CELL_PX - 6)
        parts += _draw_row(scheme, index, counts[index], has_shares)
    return frame(width, height, title, [*parts, *_head_sums(size), *map(_outline, blocks)])


def _outline(block: tuple[int, int]) -> SafeString:
    start, side = block[0] * CELL_PX, (block[1] - block[0]) * CELL_PX
    return element(
        "rect",
        x=LEFT_PX + start,
        y=TOP_PX + start,
        width=side,
        height=side,
        class_="block",
        pointer_events="none",
    )


def _head_sums(size: int) -> list[SafeString]:
    right = LEFT_PX + size * CELL_PX
    return [
        text(right + 44, TOP_PX - 8, "n", anchor="end", class_="tick"),
        text(right + 90, TOP_PX - 8, "same", anchor="end", class_="tick"),
    ]


def _draw_row(scheme: Scheme, row: int, counts: Sequence[float], has_shares: bool) -> list[SafeString]:
    total, y = sum(counts), TOP_PX + row * CELL_PX
    parts = []
    for column, count in enumerate(counts):
        share = count / total if total else 0.0
        words = f"{scheme.codes[row]} / {scheme.codes[column]}: {write_number(round(count, 1))}, {share:.1%}"
        shown = _write_share(share) if has_shares else write_number(_shorten(count))
        parts += _draw_cell(LEFT_PX + column * CELL_PX, y, share**0.5, shown, words, row == column)
    right = LEFT_PX + len(counts) * CELL_PX
    same = f"{counts[row] / total:.0%}" if total else "–"
    return [
        *parts,
        text(right + 44, y + 21, write_number(round(total)), anchor="end"),
        text(right + 90, y + 21, same, anchor="end"),
    ]


def _write_share(share: float) -> str:
    """Whole percent; what is there but rounds to none is said so."""
    return "0" if not share else "<1" if share < 0.005 else f"{share:.0%}"[:-1]


def _shorten(count: float) -> float:
    return round(count) if count >= 10 or count == int(count) else round(count, 1)


def _draw_cell(x: float, y: float, shade: float, count: str, words: str, is_diagonal: bool) -> list[SafeString]:
    parts = [
        element(
            "rect",
            element("title", words),
            x=x,
            y=y,
            width=CELL_PX,
            height=CELL_PX,
            class_="heat",
            fill_opacity=round(shade, 3),
        ),
        element(
            "rect",
            x=x,
            y=y,
            width=CELL_PX,
            height=CELL_PX,
            class_="axis" if is_diagonal else "cell-line",
            pointer_events="none",
        ),
    ]
    if count != "0":
        parts.append(
            text(
                x + CELL_PX / 2,
                y + 21,
                count,
                anchor="middle",
                class_="over-heat" if shade >= DARK_FROM else None,
                pointer_events="none",
            )
        )
    return parts
