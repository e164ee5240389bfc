"""Reliability diagram: how often the answer was right where the stated confidence was so high."""

from collections.abc import Mapping, Sequence

from django.utils.safestring import SafeString

from geoquorum.figures.svg import Plot, element, frame, line, text

SIZE_PX, STRIP_PX = 300, 54


def reliability_diagram(
    bins: Sequence[Mapping[str, float]], *, title: str, before: Sequence[Mapping[str, float]] = ()
) -> SafeString:
    """Bins as `fusion.scores` gives them, with intervals of the accuracy; below, the number of samples per bin.

    `before` are the bins before a temperature, drawn as a dashed line.
    """
    plot = Plot(left=52, top=30, right=52 + SIZE_PX, bottom=30 + SIZE_PX, x_range=(0, 1), y_range=(0, 1))
    parts = [*plot.draw_y("accuracy (share right)"), line(plot.left, plot.bottom, plot.right, plot.top, "diagonal")]
    parts.append(text(plot.x(0.5) - 8, plot.y(0.5) - 6, "calibrated", anchor="end", class_="tick"))
    filled = [one for one in bins if one["n"]]
    earlier = [one for one in before if one["n"]]
    if earlier:
        parts.append(element("polyline", points=_join(plot, earlier), class_="series s2 dashed"))
    parts.append(element("polyline", points=_join(plot, filled), class_="series s1"))
    for one in filled:
        parts += _draw_interval(plot, one)
        words = f"{one['low']:.2f} to {one['high']:.2f}: accuracy {one['accuracy']:.3f}, n = {one['n']:.0f}"
        parts.append(
            element(
                "circle",
                element("title", words),
                cx=plot.x(one["confidence"]),
                cy=plot.y(one["accuracy"]),
                r=4.5,
                class_="f1",
            )
        )
    return frame(plot.right + 20, plot.bottom + STRIP_PX + 52, title, [*parts, *_draw_counts(plot, filled)])


def _join(plot: Plot, bins: Sequence[Mapping[str, float]]) -> str:
    return " ".join(f"{plot.x(one['confidence']):.1f},{plot.y(one['accuracy']):.1f}" for one in bins)


def _draw_interval(plot: Plot, one: Mapping[str, float]) -> list[SafeString]:
    """The bin's interval of 95 %; none where a single block holds it."""
    if one.get("accuracy_low") is None:
        return []
    x = plot.x(one["confidence"])
    return [line(x, plot.y(one["accuracy_low"]), x, plot.y(one["accuracy_high"]), "whisker")]


def _draw_counts(plot: Plot, bins: Sequence[Mapping[str, float]]) -> list[SafeString]:
    most = max([one["n"] for one in bins], default=1)
    strip = Plot(
        left=plot.left,
        top=plot.bottom + 12,
        right=plot.right,
        bottom=plot.bottom + 12 + STRIP_PX,
        x_range=(0, 1),
        y_range=(0, most),
    )
    parts = [
        element(
            "rect",
            x=strip.x(one["low"]) + 1,
            y=strip.y(one["n"]),
            width=max(strip.x(one["high"]) - strip.x(one["low"]) - 2, 1),
            height=strip.bottom - strip.y(one["n"]),
            class_="f1",
            fill_opacity=0.45,
        )
        for one in bins
    ]
    return [
        *parts,
        text(plot.left - 6, strip.top + 10, "n", anchor="end", class_="tick"),
        *strip.draw_x("confidence (stated probability)"),
    ]
