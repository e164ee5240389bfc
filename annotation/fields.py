"""What a question asks beside the class: a box around something, or a choice from a short list."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

LARGEST_ANSWER = 2_000  # characters of JSON
LEAST_SIDE = 0.002  # of the photo's width or height: a slip of the mouse is no box


@dataclass(frozen=True, kw_only=True)
class FieldOption:
    """One answer of a choice; `key` is typed after the field's own key."""

    code: str
    name: str
    key: str


@dataclass(frozen=True, kw_only=True)
class AnswerField:
    """One field. A box is [x0, y0, x1, y1] in fractions 0..1 of the photo from its upper left corner."""

    name: str
    title: str
    kind: Literal["box", "choice"]
    key: str
    options: tuple[FieldOption, ...] = ()
    is_required: bool = False
    help: str = ""


def check_extra(asked: str, fields: Sequence[AnswerField], extra: Mapping[str, Any]) -> str | None:
    """Why the further fields of an answer are refused, in one sentence; None where they are good."""
    known = {field.name: field for field in fields}
    for name in extra:
        if name not in known:
            there = f"its fields are {', '.join(known)}" if known else "it has none"
            return f"{name[:40]!r} is not a field of question {asked!r}; {there}."
    if extra and len(json.dumps(extra, default=str)) > LARGEST_ANSWER:
        return f"The fields of an answer have at most {LARGEST_ANSWER} characters of JSON together."
    for field in fields:
        if field.name not in extra:
            if field.is_required:
                return f"The answer lacks {field.name!r} ({field.title}); choose it, or skip the sample with a reason."
        elif refusal := _CHECKS[field.kind](field, extra[field.name]):
            return refusal
    return None


def is_answer(field: AnswerField, value: Any) -> bool:
    """Whether a value is an answer to this field."""
    return _CHECKS[field.kind](field, value) is None


def _check_box(field: AnswerField, value: Any) -> str | None:
    wanted = f"{field.name!r} must be a box [x0, y0, x1, y1] in fractions of the photo"
    if not isinstance(value, list | tuple) or len(value) != 4 or not all(map(_is_fraction, value)):
        return f"{wanted}, four numbers from 0 to 1."
    x0, y0, x1, y1 = value
    if x1 - x0 < LEAST_SIDE or y1 - y0 < LEAST_SIDE:
        return f"{wanted} with x0 < x1 and y0 < y1, each side at least {LEAST_SIDE}."
    return None


def _is_fraction(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1


def _check_choice(field: AnswerField, value: Any) -> str | None:
    codes = [option.code for option in field.options]
    if not isinstance(value, str) or value not in codes:
        return f"{str(value)[:40]!r} is not an option of {field.name!r}; the options are {', '.join(codes)}."
    return None


_CHECKS = {"box": _check_box, "choice": _check_choice}
