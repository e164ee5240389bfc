"""Names of cities that do not exist, made of syllables."""

import numpy as np

_FIRST = (
    "Al",
    "Bre",
    "Ca",
    "Dor",
    "El",
    "Fa",
    "Gar",
    "Ha",
    "Is",
    "Ka",
    "Lu",
    "Mar",
    "Nor",
    "Or",
    "Per",
    "Ros",
    "Sel",
    "Ta",
    "Ul",
    "Ve",
)
_MIDDLE = ("ba", "de", "li", "mo", "na", "ra", "sa", "ti", "vo", "")
_LAST = ("bor", "dal", "field", "gard", "lin", "mar", "nia", "polis", "rez", "stad", "tova", "wick")


def draw_names(rng: np.random.Generator, count: int) -> list[str]:
    """`count` different names."""
    names: dict[str, None] = {}
    while len(names) < count:
        names["".join(str(rng.choice(part)) for part in (_FIRST, _MIDDLE, _LAST))] = None
    return list(names)
