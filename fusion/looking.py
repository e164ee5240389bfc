"""What a file from outside holds, asked in a child process: whatever its reader does with it, this process goes on.

Curated files are looked at where they are used, by their source's own `look`; uploads through `look_at_upload`.
"""

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from fusion import file_info
from fusion import source as sources
from fusion.bounded import Bounds, run_bounded
from fusion.errors import BadFileError
from fusion.file_info import FileInfo

BOUNDS = Bounds(seconds=300, memory_bytes=4 * 2**30)


def look_at_upload(path: Path, source: str, bounds: Bounds | None = None) -> list[FileInfo]:
    """The infos of `source`'s look, made in a child with bounds on time and memory; refused as it refuses."""
    content = run_bounded(
        "fusion.looking:answer", about=path.name, bounds=bounds or BOUNDS, path=str(path.absolute()), source=source
    )
    return [_revive_info(held) for held in json.loads(content)]


def answer(path: str, source: str) -> bytes:
    """What the child says: infos as JSON, each with the name of its kind."""
    look = sources.find(source).look
    if look is None:
        raise BadFileError(f"{Path(path).name}: files of the source {source} are not looked at in this way.")
    return json.dumps([{"kind": type(info).__name__, "held": _write_down(info)} for info in look(Path(path))]).encode()


def _write_down(value: Any) -> Any:
    """Plain JSON of an info; keys of mappings become text."""
    if is_dataclass(value):
        return {field.name: _write_down(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _write_down(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_write_down(held) for held in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _revive_info(held: Mapping[str, Any]) -> FileInfo:
    kind = getattr(file_info, held["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, FileInfo)):
        raise BadFileError(f"The child answered with {held['kind']!r}, which is no info.")
    found = _revive(kind, held["held"])
    assert isinstance(found, FileInfo)
    return found


def _revive(kind: Any, value: Any) -> Any:
    """A value of JSON as the type that its field declares."""
    origin, parts = get_origin(kind), get_args(kind)
    if value is None or kind in (str, int, float, bool):
        return value
    if origin in (Union, types.UnionType):
        return _revive(next(part for part in parts if part is not type(None)), value)
    if origin is tuple:
        inner = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        return tuple(_revive(part, held) for part, held in zip(inner, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {parts[0](key): _revive(parts[1], held) for key, held in value.items()}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _revive(hints[name], held) for name, held in value.items()})  # type: ignore[operator]
    return datetime.fromisoformat(value) if kind is datetime else kind(value)
