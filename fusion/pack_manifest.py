"""pack.json: written last and whole, read first, refused when it is newer than this program or is none at all."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fusion.errors import PackError
from fusion.shard import HashedFile

# 1: dense arrays and class targets. 2: ragged arrays, presence flags, times, own wavelengths, targets of every head.
# What 2 adds is told by keys that 1 lacks, so packs of 1 are read by the same code.
SCHEMA_VERSION = 2
COPY = "Copy the pack again from where it was released."
WANTED = frozenset({"samples", "arrays", "targets", "splits", "files"})

Manifest = dict[str, Any]


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Write pack.json and sync the folder; answers its sha256."""
    try:
        text = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PackError(f"The manifest is not JSON: {error}. Look at what provenance holds.") from error
    with HashedFile(folder / "pack.json") as file:
        file.write(f"{text}\n".encode())
    sync(folder / "arrays")
    sync(folder)
    return str(file.entry()["sha256"])


def read_manifest(folder: Path, sha256: str | None) -> tuple[Manifest, str]:
    """pack.json of a folder and its sha256; PackError where it is not the one asked for, or cannot be read."""
    path = folder / "pack.json"
    if not path.is_file():
        raise PackError(f"{folder} is not a pack: it has no pack.json. Give the folder of a dataset version.")
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    if sha256 is not None and digest != sha256:
        raise PackError(f"{path} has sha256 {digest}, not {sha256} as asked. It is another version, or was changed.")
    try:
        manifest = json.loads(text)
        version = int(manifest["schema_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise PackError(f"{path} is not a manifest of a pack: {error!r}. {COPY}") from error
    if version > SCHEMA_VERSION:
        raise PackError(
            f"{path} is of schema version {version}; this Geoquorum reads up to {SCHEMA_VERSION}. Update Geoquorum."
        )
    if missing := WANTED - set(manifest):
        raise PackError(f"{path} lacks {', '.join(sorted(missing))}. {COPY}")
    return cast(Manifest, manifest), digest


def sync(path: Path) -> None:
    """Hand what a folder lists to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
