"""What a consensus says beside the class, for pages and tables: a box over the photo, a choice by its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.fields import AnswerField
from geoquorum.campaigns.models import Consensus

BOX_COLUMNS = ("x0", "y0", "x1", "y1", "votes", "found", "agreement", "iou")
CHOICE_COLUMNS = ("votes", "agreement")


@dataclass(frozen=True, kw_only=True)
class Box:
    """Left, upper edge, width and height in percent of the photo, as SVG takes them."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, kw_only=True)
class FieldShown:
    """One field on a sample's page; `box` only where the votes amount to one."""

    title: str
    words: str
    box: Box | None = None


def show_fields(fields: Sequence[AnswerField], row: Consensus) -> list[FieldShown]:
    """Each field that the row holds, in the question's order."""
    held = row.fields or {}
    return [_SHOW[field.kind](field, held[field.name]) for field in fields if field.name in held]


def _show_box(field: AnswerField, found: dict[str, Any]) -> FieldShown:
    if found["value"] is None:
        words = _("No box that more than half drew; %(found)d of %(votes)d drew one.") % found
        return FieldShown(title=_(field.title), words=words)
    x0, y0, x1, y1 = found["value"]
    words = (
        _("Median of the boxes of %(found)d of %(votes)d experts; mean intersection over union with it %(iou).2f.")
        % found
    )
    corners = (f"{100 * value:.2f}" for value in (x0, y0, x1 - x0, y1 - y0))
    x, y, width, height = corners
    return FieldShown(title=_(field.title), words=words, box=Box(x=x, y=y, width=width, height=height))


def _show_choice(field: AnswerField, found: dict[str, Any]) -> FieldShown:
    names = {option.code: _(option.name) for option in field.options}
    counts = ", ".join(f"{names.get(code, code)} {count}" for code, count in found["counts"].items())
    if not found["votes"]:
        words = _("Nobody chose.")
    elif found["value"] is None:
        words = _("A tie: %(counts)s.") % {"counts": counts}
    else:
        told = {"name": names.get(found["value"], found["value"]), "n": found["votes"]}
        share = {"share": round(100 * found["agreement"])}
        said = ngettext("%(name)s: %(share)d %% of %(n)d vote", "%(name)s: %(share)d %% of %(n)d votes", found["votes"])
        words = said % (told | share)
    return FieldShown(title=_(field.title), words=words)


def list_columns(fields: Sequence[AnswerField]) -> list[str]:
    """Names of the columns of a table of labels: `box_x0`, `language`, `language_votes`."""
    return [
        name
        for field in fields
        for name in (
            [f"{field.name}_{part}" for part in BOX_COLUMNS]
            if field.kind == "box"
            else [field.name, *(f"{field.name}_{part}" for part in CHOICE_COLUMNS)]
        )
    ]


def list_cells(fields: Sequence[AnswerField], row: Consensus) -> list[object]:
    """The row's values under these columns; empty where there is none."""
    held, cells = row.fields or {}, list[object]()
    for field in fields:
        found = held.get(field.name, {})
        value = found.get("value")
        cells += (value or [""] * 4) if field.kind == "box" else [value]
        cells += [found.get(part) for part in (BOX_COLUMNS[4:] if field.kind == "box" else CHOICE_COLUMNS)]
    return ["" if cell is None else cell for cell in cells]


_SHOW = {"box": _show_box, "choice": _show_choice}
