"""How large prediction sets are: a bar per number of classes, and how often sets of that size held the true one."""

from collections.abc import Mapping, Sequence

from django.utils.safestring import SafeString

from geoquorum.figures.svg import Plot, element, frame, line, text

HEIGHT_PX = 250
LEAST_LABELLED = 0.01  # share of samples; smaller bars are too few to print a share of theirs


def set_sizes(sizes: Sequence[Mapping[str, float | None]], *, title: str, width: int = 560) -> SafeString:
    """`sizes` as fusion.conformal counts them (size, n, coverage), from 0 classes to the largest that occurs."""
    filled = [one for one in sizes if one["n"]]
    last = int(max([one["size"] or 0 for one in filled], default=0))
    shown = [one for one in sizes if (one["size"] or 0) <= last]
    total = sum(one["n"] or 0 for one in sizes) or 1
    highest = max([(one["n"] or 0) / total for one in shown], default=1.0) or 1.0
    plot = Plot(
        left=52, top=34, right=width - 8, bottom=HEIGHT_PX - 46, x_range=(-0.5, last + 0.5), y_range=(0, highest * 1.12)
    )
    parts = plot.draw_y("share of samples; printed: share of sets that hold the true class")
    for one in shown:
        parts += _draw_bar(plot, int(one["size"] or 0), (one["n"] or 0) / total, one)
    middle = (plot.left + plot.right) / 2
    parts.append(line(plot.left, plot.bottom, plot.right, plot.bottom, "axis"))
    parts.append(text(middle, plot.bottom + 34, "classes in the set", anchor="middle", class_="tick"))
    return frame(width, HEIGHT_PX, title, parts)


def _draw_bar(plot: Plot, size: int, share: float, one: Mapping[str, float | None]) -> list[SafeString]:
    width = (plot.x(1) - plot.x(0)) * 0.7
    held = one["coverage"]
    words = f"{size} classes: {one['n']} samples" + ("" if held is None else f", {held:.1%} hold the true class")
    bar = element(
        "rect",
        element("title", words),
        x=plot.x(size) - width / 2,
        y=plot.y(share),
        width=width,
        height=plot.bottom - plot.y(share),
        class_="f1",
    )
    parts = [bar, text(plot.x(size), plot.bottom + 17, str(size), anchor="middle", class_="tick")]
    if held is not None and size and share >= LEAST_LABELLED:
        parts.append(text(plot.x(size), plot.y(share) - 5, f"{held:.0%}", anchor="middle", class_="tick"))
    return parts
