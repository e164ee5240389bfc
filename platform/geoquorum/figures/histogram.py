"""Histograms of several groups over one axis, a band each, so that shapes are compared and not heights."""

from collections.abc import Mapping, Sequence

from django.utils.safestring import SafeString

from geoquorum.figures.svg import Plot, element, frame, line, text, write_number

BAND_PX, LEFT_PX, HUES = 120, 52, 4


def histogram(
    edges: Sequence[float],
    groups: Mapping[str, Sequence[int]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    width: int = 560,
    limit: float | None = None,
) -> SafeString:
    """Shares of each group per bin between `edges`; one band per group, all on one scale, named with its n.

    `limit` is a value (a threshold) at which a dashed line is drawn through every band.
    """
    shares = {name: [count / (sum(counts) or 1) for count in counts] for name, counts in groups.items()}
    highest = max([share for row in shares.values() for share in row] or [0.0]) or 1.0
    parts, bottom = [], 0.0
    for hue, (name, row) in enumerate(shares.items()):
        top = 34 + hue * (BAND_PX + 30)
        bottom = top + BAND_PX
        plot = Plot(
            left=LEFT_PX,
            top=top,
            right=width - 8,
            bottom=bottom,
            x_range=(edges[0], edges[-1]),
            y_range=(0, highest * 1.08),
        )
        words = f"{name}: n = {write_number(sum(groups[name]))}"
        parts += [*plot.draw_y(y_label if hue == 0 else ""), text(plot.right, top - 8, words, anchor="end")]
        parts += _draw_bars(plot, edges, row, groups[name], hue % HUES + 1)
        if limit is not None and edges[0] <= limit <= edges[-1]:
            parts.append(line(plot.x(limit), top, plot.x(limit), bottom, "diagonal"))
    plot_x = Plot(left=LEFT_PX, top=0, right=width - 8, bottom=bottom, x_range=(edges[0], edges[-1]), y_range=(0, 1))
    return frame(width, bottom + 42, title, [*parts, *plot_x.draw_x(x_label)])


def _draw_bars(
    plot: Plot, edges: Sequence[float], shares: Sequence[float], counts: Sequence[int], hue: int
) -> list[SafeString]:
    bars = [
        element(
            "rect",
            element("title", f"{low:.2f} to {high:.2f}: {count}, {share:.1%}"),
            x=plot.x(low) + 1,
            y=plot.y(share),
            width=max(plot.x(high) - plot.x(low) - 2, 1.0),
            height=plot.bottom - plot.y(share),
            class_=f"f{hue}",
        )
        for low, high, share, count in zip(edges, edges[1:], shares, counts, strict=False)
        if count
    ]
    return [*bars, line(plot.left, plot.bottom, plot.right, plot.bottom, "axis")]
