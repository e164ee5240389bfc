"""An alphabet of labels: codes (strings), names, colours and keys; a released version never changes."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion import registry
from fusion.errors import BadInputError

LONGEST_SIGN = 3


@dataclass(frozen=True, kw_only=True)
class LabelClass:
    """One label: `code` is what is stored, `colour` and `ink` (text printed on it) are `#rrggbb`, `key` is typed.

    Its help card: `help` in one line, `aerial` and `ground` (what it looks like from above and from the street), and
    `confused_with`, the codes it is most often mistaken for.
    """

    code: str
    name: str
    colour: str
    ink: str
    key: str
    group: str = ""
    value: int = 0
    help: str = ""
    aerial: str = ""
    ground: str = ""
    confused_with: tuple[str, ...] = ()

    @property
    def sign(self) -> str:
        """What is printed on a small patch of its colour: the code, or the beginning of a code that is a word."""
        return self.code if len(self.code) <= LONGEST_SIGN else self.code[: LONGEST_SIGN - 1]


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """Labels in their fixed order; the index of a class in arrays is its place here.

    `similarity` is a square table in 0..1 with ones on the diagonal (partial credit in weighted accuracy), or None.
    """

    name: str
    title: str
    version: int
    classes: tuple[LabelClass, ...]
    similarity: tuple[tuple[float, ...], ...] | None = None
    source: str = ""

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(label.code for label in self.classes)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {label.code: index for index, label in enumerate(self.classes)}

    def __contains__(self, code: object) -> bool:
        return code in self._index

    def index(self, code: str) -> int:
        """Place of a code in arrays; an unknown code is answered with the known ones."""
        if code not in self._index:
            raise BadInputError(f"{code!r} is not a code of scheme {self.name!r}. Codes: {', '.join(self.codes)}.")
        return self._index[code]

    def find(self, code: str) -> LabelClass:
        """The class with this code."""
        return self.classes[self.index(code)]

    def declared(self) -> dict[str, Any]:
        """Everything that gives a code its meaning, ready for JSON."""
        return dict(json.loads(json.dumps(asdict(self))))

    def similarity_matrix(self) -> npt.NDArray[np.float64]:
        """Square table of partial credit; the identity where the scheme states none."""
        return np.eye(len(self)) if self.similarity is None else np.asarray(self.similarity, dtype=np.float64)


def find(name: str) -> Scheme:
    """The scheme called `name`."""
    return registry.find_kind("fusion.schemes", name, "SCHEME", Scheme)


def load_all() -> dict[str, Scheme]:
    """Every scheme by name."""
    return registry.load_kinds("fusion.schemes", "SCHEME", Scheme)
