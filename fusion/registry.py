"""The one loader of kinds: every file in a folder declares one constant, and the folder is the list."""

import importlib
import pkgutil
from functools import cache
from typing import TypeVar

from fusion.errors import GeoquorumError, UnknownKindError

Kind = TypeVar("Kind")


@cache  # every vote asks for its question and its scheme, and the folder stays what it is while a process runs
def list_names(package: str) -> tuple[str, ...]:
    """Names of the kinds in a package, from its file names; imports none of them."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__)))


def find_kind(package: str, name: str, constant: str, contract: type[Kind]) -> Kind:
    """The kind called `name`, loaded alone; unknown names are answered with the known ones."""
    if name not in list_names(package):
        known = ", ".join(list_names(package)) or "none"
        raise UnknownKindError(f"Unknown {constant.lower()} {name!r}. Known: {known}.")
    return _load(package, name, constant, contract)


def load_kinds(package: str, constant: str, contract: type[Kind]) -> dict[str, Kind]:
    """Every kind of a package by name; a file that lacks its constant is named."""
    return {name: _load(package, name, constant, contract) for name in list_names(package)}


def _load(package: str, name: str, constant: str, contract: type[Kind]) -> Kind:
    module = importlib.import_module(f"{package}.{name}")
    kind = getattr(module, constant, None)
    if not isinstance(kind, contract):
        raise GeoquorumError(f"{module.__file__} must declare {constant}, a {contract.__name__}; it holds {kind!r}.")
    return kind
