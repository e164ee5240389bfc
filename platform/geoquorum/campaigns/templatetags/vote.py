"""What the vote page says of views and bands, from the modalities' own declarations."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from django import template

from annotation.question import Question, ShownView, view_of
from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.modality import View
from fusion.scheme import LabelClass, Scheme

register = template.Library()
COMMANDS = 3  # unsure, skip, take back


@register.filter
def declared_view(shown: ShownView) -> View:
    """Title and help of a view."""
    return view_of(shown)


@register.filter
def proposals(question: Question) -> dict[str, Any]:
    """The classes that a review asks about: {"scheme", "prefix", "classes": [{"code", "name", "help", "aerial"}]}."""
    if question.prompt_scheme is None:
        return {"scheme": "", "prefix": "", "classes": []}
    scheme = schemes.find(question.prompt_scheme)
    told = [
        {"code": label.code, "name": label.name, "help": label.help, "aerial": label.aerial} for label in scheme.classes
    ]
    return {"scheme": scheme.name, "prefix": "LCZ " if scheme.name.startswith("lcz") else "", "classes": told}


@register.filter
def sensor(shown: ShownView) -> str:
    """The modality's title."""
    return modalities.find(shown.modality).title


@register.filter
def wavelengths_nm(views: Sequence[ShownView]) -> dict[str, dict[str, float]]:
    """Centre wavelength by band, for each modality shown that has any: the spectrum's horizontal axis."""
    names = {shown.modality for shown in views}
    tables: dict[str, dict[str, Any]] = {
        name: {band.name: band.wavelength_nm for band in modalities.find(name).bands if band.wavelength_nm}
        for name in names
    }
    return {name: table for name, table in tables.items() if table}


@register.filter
def groups(scheme: Scheme) -> list[list[LabelClass]]:
    """The classes in order, parted where their group changes: built beside natural."""
    return [list(labels) for _group, labels in groupby(scheme.classes, key=lambda label: label.group)]


@register.filter
def phone_columns(scheme: Scheme) -> int:
    """How many buttons stand side by side on a phone, so that the last row of the pad is full wherever it can be.

    An odd number of classes shares its rows with the three commands; an even one leaves them a row of their own.
    """
    cells = len(scheme) + (len(scheme) % 2) * COMMANDS
    full = [columns for columns in (4, 3, 5) if cells % columns == 0]
    return full[0] if full else min(cells, 4)
