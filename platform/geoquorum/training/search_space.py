"""What a hyper-parameter search may change: a JSON object over fields of the RunSpec, read and checked without optuna.

{"learning_rate": {"low": 1e-4, "high": 1e-2, "log": true},      a number between two ends
 "network.width": {"low": 8, "high": 32, "step": 8},             a whole number, because both ends are
 "optimizer": {"choices": ["nadam", "adamw"]}}                   one of these; a dot goes into an object of the spec
"""

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fusion.errors import SpecError, UnknownKindError
from fusion.run import RunSpec

MOST_FIELDS = 12
MOST_CHOICES = 50
# What a trial is made of may change; what it is measured on and by may not, or values could not be compared.
FIXED = (
    "task", "pack", "pack_sha256", "target", "seed", "scored", "baselines", "resamples", "device", "calibration",
)  # fmt: skip
ENDS, CHOICES = {"low", "high", "log", "step"}, {"choices"}


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One field of the space. Choices are kept as JSON texts, so that any value of a spec can be one."""

    field: str
    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    step: float | None = None
    choices: tuple[str, ...] = ()

    def read(self, parameter: Any) -> Any:
        """The spec's value for a parameter of a trial."""
        return json.loads(parameter) if self.kind == "choice" else parameter

    @property
    def corners(self) -> list[Any]:
        """Values that show whether the spec takes what lies between them."""
        if self.kind == "choice":
            return [json.loads(choice) for choice in self.choices]
        return [int(self.low), int(self.high)] if self.kind == "int" else [self.low, self.high]


def read_space(space: Any, base: Mapping[str, Any]) -> list[Dimension]:
    """The dimensions in the order of their names; SpecError names the field that cannot be searched, and why.

    `base` are all values of the spec that is searched around; each end and each choice must be one that it takes.
    """
    if not isinstance(space, Mapping) or not 1 <= len(space) <= MOST_FIELDS:
        raise SpecError(f"The search space must be a JSON object of 1 to {MOST_FIELDS} fields of the run's spec.")
    dimensions = [_read_dimension(str(field), space[field]) for field in sorted(space)]
    for one in dimensions:
        for value in one.corners:
            try:
                RunSpec.from_json(set_value(base, one.field, value))
            except (SpecError, UnknownKindError) as error:
                raise SpecError(f"search space, {one.field}: {error}") from error
    return dimensions


def set_value(values: Mapping[str, Any], field: str, value: Any) -> dict[str, Any]:
    """A copy of the spec's values with one field changed; `network.width` goes into the object `network`."""
    changed = copy.deepcopy(dict(values))
    *parents, last = field.split(".")
    place = changed
    for name in parents:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise SpecError(f"search space, {field}: {name} is no object of the spec.")
        place = inner
    place[last] = value
    return changed


def _read_dimension(field: str, asked: Any) -> Dimension:
    if field.split(".")[0] in FIXED:
        raise SpecError(f"search space, {field}: trials are compared on it, so it stays as it is. Leave it out.")
    if not isinstance(asked, Mapping) or not (set(asked) <= ENDS or set(asked) <= CHOICES):
        raise SpecError(f"search space, {field}: give low and high (with log or step), or choices.")
    return _read_choices(field, asked["choices"]) if "choices" in asked else _read_ends(field, asked)


def _read_choices(field: str, choices: Any) -> Dimension:
    if not isinstance(choices, list) or not 2 <= len(choices) <= MOST_CHOICES:
        raise SpecError(f"search space, {field}: choices must be a list of 2 to {MOST_CHOICES} values.")
    texts = [json.dumps(choice, sort_keys=True) for choice in choices]
    if len(set(texts)) < len(texts):
        raise SpecError(f"search space, {field}: a choice is named twice.")
    return Dimension(field=field, kind="choice", choices=tuple(texts))


def _read_ends(field: str, asked: Mapping[str, Any]) -> Dimension:
    low, high, step = asked.get("low"), asked.get("high"), asked.get("step")
    is_log = asked.get("log", False)
    for name, value in (("low", low), ("high", high), ("step", step)):
        is_number = type(value) in (int, float) and math.isfinite(value)
        if not is_number and not (name == "step" and value is None):
            raise SpecError(f"search space, {field}: {name} must be a number; it is {value!r}.")
    if type(is_log) is not bool:
        raise SpecError(f"search space, {field}: log must be true or false; it is {is_log!r}.")
    if not low < high or (step is not None and not 0 < step <= high - low):
        raise SpecError(f"search space, {field}: low must lie below high, and a step between them.")
    if is_log and (low <= 0 or step is not None):
        raise SpecError(f"search space, {field}: a logarithmic field begins above 0 and has no step.")
    is_whole = all(type(value) is int for value in (low, high) if value is not None) and type(step) in (int, type(None))
    return Dimension(field=field, kind="int" if is_whole else "float", low=low, high=high, is_log=is_log, step=step)
