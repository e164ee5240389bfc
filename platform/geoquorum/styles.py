"""All parts of the design side by side, with made-up values: for those who build pages and those who curate."""

import math

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from fusion import scheme as schemes
from geoquorum.figures.lines import Series
from geoquorum.figures.whiskers import Whisker

STATES = ("queued", "running", "done", "failed", "cancelled", "open", "closed", "settled", "disputed")


@require_safe
def show_styles(request: HttpRequest) -> HttpResponse:
    """Nothing here is a measurement; every number follows from a formula below."""
    declared = sorted(schemes.load_all().values(), key=lambda one: one.name)
    context = {
        "schemes": declared,
        "states": STATES,
        "now": timezone.now(),
        "counts": {label.code: 40 + 17 * index % 60 for index, label in enumerate(schemes.find("lcz17").classes)},
        "matrix": [[round(100 * math.exp(-abs(row - column) * 1.3)) for column in range(17)] for row in range(17)],
        "series": show_series(),
        "bins": [
            {
                "low": i / 10,
                "high": i / 10 + 0.1,
                "n": 5 + i * i,
                "confidence": i / 10 + 0.05,
                "accuracy": (i / 10 + 0.05) ** 1.3,
            }
            for i in range(10)
        ],
        "whiskers": [
            Whisker(name="majority class", value=0.1, low=0.08, high=0.12),
            Whisker(name="random forest", value=0.55, low=0.5, high=0.6),
            Whisker(name="network", value=0.7, low=0.66, high=0.74, is_marked=True),
        ],
    }
    return render(request, "styles.html", context)


def show_series() -> list[Series]:
    """Two made-up curves."""
    return [
        Series(name="training", points=[(step, 2.8 * math.exp(-step / 9)) for step in range(30)]),
        Series(
            name="validation", points=[(step, 0.4 + 2.4 * math.exp(-step / 7)) for step in range(30)], is_dashed=True
        ),
    ]
