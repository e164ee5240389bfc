"""The one loader of kinds: every file in a folder declares one constant, and the folder is the list.

GEOQUORUM_KINDS names further folders (separated as those of PATH are), whose sub folders tasks, networks, heads,
objectives, schemes and so on hold kinds of one's own. They are code: let nobody write there whom you would not let
write here.
"""

import importlib
import os
import pkgutil
from functools import cache
from pathlib import Path
from typing import TypeVar

from fusion.errors import GeoquorumError, UnknownKindError

Kind = TypeVar("Kind")


VARIABLE = "GEOQUORUM_KINDS"


@cache  # every vote asks for its question and its scheme, and the folders stay what they are while a process runs
def list_names(package: str) -> tuple[str, ...]:
    """Names of the kinds in a package and in the folders added to it, from their file names; imports none of them."""
    module = importlib.import_module(package)
    own = Path(str(module.__file__)).parent
    added = _list_added(own.name)
    module.__path__[:] = [str(own), *map(str, added)]
    _check_names(own, added)
    return tuple(sorted(found.name for found in pkgutil.iter_modules(module.__path__)))


def _list_added(name: str) -> list[Path]:
    """Sub folders called `name` of the folders that the environment names; a folder that is missing is refused."""
    folders = [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    for folder in folders:
        if not folder.is_dir():
            raise GeoquorumError(f"{VARIABLE} names {folder}, which is no folder. Make it, or leave it out.")
    return [(folder / name).resolve() for folder in folders if (folder / name).is_dir()]


def _check_names(own: Path, added: list[Path]) -> None:
    """Refuse a kind that would stand for another of the same name."""
    known: dict[str, Path] = {}
    for folder in (own, *added):
        for found in pkgutil.iter_modules([str(folder)]):
            if found.name in known:
                path, before = folder / f"{found.name}.py", known[found.name]
                raise GeoquorumError(f"{path}: {found.name!r} is declared in {before} already. Rename the file.")
            known[found.name] = folder


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
    if (called := getattr(kind, "name", name)) != name:
        raise GeoquorumError(f"{module.__file__} declares {called!r}. Let the file and the name be the same.")
    return kind
