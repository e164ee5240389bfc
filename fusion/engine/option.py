"""One field of a spec's `network` or `objective` object: its default and what it may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion.errors import SpecError

Value = int | float | bool | str


@dataclass(frozen=True, kw_only=True)
class Option:
    """A default (its type is the option's type), the limits of a number, the closed list of a word (empty: any)."""

    default: Value
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()


def read_options(owner: str, known: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options with defaults filled in; an unknown name, wrong type or value out of limits is refused by name.

    `owner` is how the spec calls the object (`network`); its `name` field is not an option.
    """
    unknown = sorted(set(given) - set(known) - {"name"})
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise SpecError(f"{owner}.{unknown[0]} is not an option of {given.get('name')!r}. Known: {names}.")
    return {name: _read_option(f"{owner}.{name}", option, given.get(name)) for name, option in known.items()}


def _read_option(field: str, option: Option, value: Any) -> Value:
    if value is None:
        return option.default
    wanted = type(option.default)
    if wanted is str:
        if not option.choices and isinstance(value, str):
            return value
        if value not in option.choices:
            raise SpecError(f"{field} must be one of {', '.join(option.choices)}; it is {value!r}.")
        return str(value)
    is_right_type = type(value) is wanted or (wanted is float and type(value) is int)
    if not is_right_type or not option.low <= value <= option.high:
        raise SpecError(f"{field} must be {wanted.__name__}, {option.low:g} to {option.high:g}; it is {value!r}.")
    return wanted(value)
