"""What a form says of how a run should be worked on: processes, priority, time limit."""

from collections.abc import Mapping
from dataclasses import dataclass

from fusion.errors import BadInputError


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The fields of the form that starts a run; what is left empty keeps its default."""

    processes: int = 1
    priority: int = 0
    time_limit_s: int | None = None


def read_wishes(values: Mapping[str, str]) -> Wishes:
    """From `processes`, `priority` and `time_limit_h` (hours, decimals allowed); BadInputError names the field."""
    hours = _read_number(values, "time_limit_h", "a number of hours")
    return Wishes(
        processes=read_whole(values, "processes", 1),
        priority=read_whole(values, "priority", 0),
        time_limit_s=None if hours is None else round(hours * 3600),
    )


def read_whole(values: Mapping[str, str], field: str, default: int) -> int:
    """A whole number of a form."""
    found = _read_number(values, field, "a whole number")
    if found is not None and found != int(found):
        raise BadInputError(f"{field} must be a whole number; it is {values[field]!r}.")
    return default if found is None else int(found)


def _read_number(values: Mapping[str, str], field: str, wanted: str) -> float | None:
    text = values.get(field, "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise BadInputError(f"{field} must be {wanted}; it is {text[:40]!r}.")
    return number
