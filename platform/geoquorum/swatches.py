"""Colours of every declared scheme as a stylesheet: a new scheme needs no CSS."""

import hashlib
import re
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from fusion import scheme
from geoquorum.palette import safe_colours

DAY_S = 86_400


def css_class(scheme_name: str, code: str) -> str:
    """Class name of one label: `swatch-<scheme>-<code>`, other signs written as a dash."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"swatch-{scheme_name}-{code}")


@cache
def stylesheet() -> str:
    """Background, fill and ink of every class of every scheme, and the same in the colours that are told apart best."""
    declared = sorted(scheme.load_all().items())
    own = [_rule("", name, label.code, label.colour, label.ink) for name, one in declared for label in one.classes]
    safe = [
        _rule('[data-palette="safe"] ', name, code, colour, ink)
        for name, one in declared
        for code, (colour, ink) in safe_colours(one).items()
    ]
    return "\n".join(own + safe)


def _rule(where: str, name: str, code: str, colour: str, ink: str) -> str:
    return f"{where}.{css_class(name, code)} {{ background: {colour}; fill: {colour}; color: {ink}; }}"


@cache
def digest() -> str:
    """Short hash of the stylesheet, for an address that may be cached for long."""
    return hashlib.sha256(stylesheet().encode()).hexdigest()[:12]


@require_safe
def show_swatches(request: HttpRequest) -> HttpResponse:
    """The stylesheet; kept a year under its own hash, a day under any other address."""
    response = HttpResponse(stylesheet(), content_type="text/css; charset=utf-8")
    is_current = request.GET.get("v") == digest()
    response["Cache-Control"] = "public, max-age=31536000, immutable" if is_current else f"public, max-age={DAY_S}"
    return response
