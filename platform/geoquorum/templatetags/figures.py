"""Figures for templates: `{% load figures %}{% class_bars "lcz17" counts title=... y_label=... as svg %}`, then
`{% include "partials/figure.html" with title=... svg=svg caption=... csv_url=... %}`. The title is the finding."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.utils.safestring import SafeString

from fusion import scheme as schemes
from geoquorum.figures import bars, histogram, lines, matrix, reliability, set_sizes, sparkline, whiskers

register = template.Library()


@register.simple_tag
def line_chart(
    series: Sequence[lines.Series],
    title: str,
    x_label: str,
    y_label: str,
    low: float | None = None,
    high: float | None = None,
) -> SafeString:
    """Lines (a list of `figures.lines.Series`); `low` and `high` together fix the y scale."""
    y_range = None if low is None or high is None else (low, high)
    return lines.line_chart(series, title=title, x_label=x_label, y_label=y_label, y_range=y_range)


@register.simple_tag
def class_bars(scheme: str, values: Mapping[str, float], title: str, y_label: str) -> SafeString:
    """Bars by class code, e.g. counts or F1; classes without a value stand at 0."""
    return bars.class_bars(schemes.find(scheme), values, title=title, y_label=y_label)


@register.simple_tag
def confusion_matrix(
    scheme: str, counts: Sequence[Sequence[float]], title: str, row_label: str, column_label: str
) -> SafeString:
    """A square table of counts in the scheme's order, rows shaded by their shares."""
    return matrix.confusion_matrix(
        schemes.find(scheme), counts, title=title, row_label=row_label, column_label=column_label
    )


@register.simple_tag
def reliability_diagram(
    bins: Sequence[Mapping[str, float]], title: str, before: Sequence[Mapping[str, float]] | None = None
) -> SafeString:
    """Accuracy against stated confidence, from the `reliability` list of `fusion.scores`; dashed, as it was before."""
    return reliability.reliability_diagram(bins, title=title, before=before or ())


@register.simple_tag
def score_histogram(
    counted: Mapping[str, Any], title: str, x_label: str, y_label: str, limit: float | None = None
) -> SafeString:
    """Scores by group (`edges` and `counts` of fusion.out_of_domain.count_scores) with a line at the threshold."""
    return histogram.histogram(
        counted["edges"], counted["counts"], title=title, x_label=x_label, y_label=y_label, limit=limit
    )


@register.simple_tag
def set_size_bars(sizes: Sequence[Mapping[str, float | None]], title: str) -> SafeString:
    """How large prediction sets are, from the `sizes` of fusion.conformal.measure_sets."""
    return set_sizes.set_sizes(sizes, title=title)


@register.simple_tag
def whisker_chart(
    rows: Sequence[whiskers.Whisker],
    title: str,
    x_label: str,
    low: float = 0.0,
    high: float = 1.0,
    limit: float | None = None,
) -> SafeString:
    """Values with intervals, a row each (a list of `figures.whiskers.Whisker`); `limit` draws a dashed line."""
    return whiskers.whisker_chart(rows, title=title, x_label=x_label, x_range=(low, high), limit=limit)


@register.simple_tag
def interval_bar(value: float, low: float, high: float, smallest: float = 0.0, largest: float = 1.0) -> SafeString:
    """A small interval for a table cell."""
    return whiskers.interval_bar(value, low, high, smallest=smallest, largest=largest)


@register.simple_tag(name="sparkline")
def draw_sparkline(values: Sequence[float], title: str) -> SafeString:
    """A course of shares 0 to 1, as high as a line of text."""
    return sparkline.sparkline(values, title=title)
