"""Agreement of a run as tables: the numbers behind each picture."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

Rows = Iterator[list[object]]


def _list_figures(found: dict[str, Any]) -> Rows:
    yield ["figure", "value", "low", "high", "samples"]
    yield from ([name, *_cells(one)] for name, one in found["figures"].items())


def _list_cities(found: dict[str, Any]) -> Rows:
    yield ["city", "figure", "value", "low", "high", "samples"]
    for city, figures in found["cities"].items():
        yield from ([city, name, *_cells(one)] for name, one in figures.items())


def _list_classes(found: dict[str, Any]) -> Rows:
    yield ["class", "votes", "figure", "value", "low", "high", "samples"]
    for one in found["classes"]:
        yield from ([one["code"], one["votes"], name, *_cells(one[name])] for name in ("specific", "alpha"))


def _cells(one: dict[str, Any]) -> list[object]:
    return [one[name] for name in ("value", "low", "high", "samples")]


def _list_entropy(found: dict[str, Any]) -> Rows:
    one = found["entropy"]
    yield ["group", "entropy_from", "entropy_to", "samples"]
    for name, counts in one["groups"].items():
        yield from ([name, *row] for row in zip(one["edges"], one["edges"][1:], counts, strict=False))


def _list_apart(found: dict[str, Any]) -> Rows:
    yield ["sample", "neighbours", "similarity"]
    yield from ([one["sample"], one["neighbours"], one["similarity"]] for one in found["apart"])


def _list_experts(found: dict[str, Any]) -> Rows:
    names = ("expert", "samples", "agreement", "others", "difference", "low", "high", "is_far")
    yield list(names)
    yield from ([one[name] for name in names] for one in found["experts"])


def _list_pairs(found: dict[str, Any]) -> Rows:
    one = found["pairs"]
    yield ["expert", "other", "equal_share", "common_samples"]
    for place, name in enumerate(one["names"]):
        rows = zip(one["names"], one["share"][place], one["common"][place], strict=True)
        yield from ([name, *row] for row in rows)


TABLES: Mapping[str, Callable[[dict[str, Any]], Rows]] = MappingProxyType(
    {
        "figures": _list_figures,
        "classes": _list_classes,
        "cities": _list_cities,
        "entropy": _list_entropy,
        "apart": _list_apart,
        "experts": _list_experts,
        "pairs": _list_pairs,
    }
)
