"""Band expressions such as `(B8-B4)/(B8+B4)`: numbers, names, + - * / and brackets, read by hand and never run as code.

sum = product (("+" | "-") product)*     product = sign (("*" | "/") sign)*     sign = "-" sign | atom
atom = number | name | "(" sum ")"
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError

Plane = npt.NDArray[Any]  # float32, or complex64 for complex bands
LONGEST, DEEPEST = 200, 20
TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>[-+*/()]))")


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A parsed expression; `names` are the bands it needs, in the order of their first mention."""

    text: str
    names: tuple[str, ...]
    steps: tuple[str | float, ...]

    def compute(self, planes: Mapping[str, Plane]) -> Plane:
        """The expression pixel by pixel, float32 or complex64 as its planes; not a number where it divides by zero."""
        stack: list[Plane | np.float32] = []
        for step in self.steps:
            if isinstance(step, float):
                stack.append(np.float32(step))
            elif step in OPERATIONS:
                right, left = stack.pop(), stack.pop()
                stack.append(OPERATIONS[step](left, right))
            else:
                stack.append(planes[step])
        return np.asarray(stack[0], dtype=np.complex64 if np.iscomplexobj(stack[0]) else np.float32)


@lru_cache(maxsize=256)
def parse(text: str) -> Expression:
    """The expression in this text; BadInputError says at which sign it cannot be read."""
    if len(text) > LONGEST:
        raise BadInputError(f"A band expression has at most {LONGEST} signs; this one has {len(text)}.")
    reader = _Reader(text)
    reader.read_sum(0)
    if reader.place < len(reader.tokens):
        raise reader.fault()
    steps = tuple(reader.steps)
    names = dict.fromkeys(step for step in steps if isinstance(step, str) and step not in OPERATIONS)
    if not names:
        raise BadInputError(f"Band expression {text!r} names no band.")
    return Expression(text=text, names=tuple(names), steps=steps)


def _divide(left: Plane | np.float32, right: Plane | np.float32) -> Plane:
    with np.errstate(invalid="ignore"):  # of complex values numpy warns, of real ones it does not
        return np.asarray(left / np.where(right == 0, np.float32(np.nan), right))


Operation = Callable[[Plane | np.float32, Plane | np.float32], Plane | np.float32]
OPERATIONS: dict[str, Operation] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
}


class _Reader:
    """Reads tokens from left to right and writes the steps of a stack machine."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.tokens: list[tuple[str, str]] = []
        self.steps: list[str | float] = []
        rest = text.rstrip()
        position = 0
        while position < len(rest):
            found = TOKEN.match(rest, position)
            if found is None or found.lastgroup is None:
                raise BadInputError(f"Band expression {text!r} cannot be read at sign {position + 1}.")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()

    def fault(self) -> BadInputError:
        found = self.tokens[self.place][1] if self.place < len(self.tokens) else "the end"
        return BadInputError(f"Band expression {self.text!r} cannot be read: {found!r} is not expected there.")

    def take(self, *signs: str) -> str | None:
        """The next sign, where it is one of these."""
        if self.place < len(self.tokens) and self.tokens[self.place][1] in signs:
            self.place += 1
            return self.tokens[self.place - 1][1]
        return None

    def read_sum(self, depth: int) -> None:
        self.read_product(depth)
        while sign := self.take("+", "-"):
            self.read_product(depth)
            self.steps.append(sign)

    def read_product(self, depth: int) -> None:
        self.read_sign(depth)
        while sign := self.take("*", "/"):
            self.read_sign(depth)
            self.steps.append(sign)

    def read_sign(self, depth: int) -> None:
        if depth > DEEPEST:
            raise BadInputError(f"Band expression {self.text!r} is nested too deeply.")
        if self.take("-"):
            self.steps.append(0.0)
            self.read_sign(depth + 1)
            self.steps.append("-")
        elif self.take("("):
            self.read_sum(depth + 1)
            if not self.take(")"):
                raise self.fault()
        else:
            self.read_atom()

    def read_atom(self) -> None:
        if self.place >= len(self.tokens) or self.tokens[self.place][0] == "sign":
            raise self.fault()
        kind, word = self.tokens[self.place]
        self.steps.append(float(word) if kind == "number" else word)
        self.place += 1
