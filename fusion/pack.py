"""A dataset version on disk: a manifest, a GeoParquet table of samples, and memory-mapped shards of arrays.

Written once and never changed (fusion.pack_writing). Same samples, arrays and seed give the same bytes (with the same
pyarrow). Reading needs numpy and pyarrow only. An array's `layout` in the manifest is `dense` ([samples, *shape] in a
tensor `data`) or `ragged` (tensors `offsets`, `values` and, for images of different sizes, `shapes`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fusion.errors import PackError
from fusion.pack_array import PackArray, RaggedArray
from fusion.pack_links import LINK_SCHEMA
from fusion.pack_manifest import COPY, SCHEMA_VERSION, read_manifest
from fusion.pack_source import ArraySource, TargetSource, TargetSpec
from fusion.pack_writing import write_pack
from fusion.ragged_shard import Ragged, map_ragged_shard
from fusion.sample import SAMPLE_SCHEMA, SPLITS
from fusion.shard import map_shard

__all__ = [
    "SAMPLE_SCHEMA",
    "SCHEMA_VERSION",
    "SPLITS",
    "ArraySource",
    "Pack",
    "PackArray",
    "Ragged",
    "RaggedArray",
    "TargetSource",
    "TargetSpec",
    "write_pack",
]

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
LAYOUTS = ("dense", "ragged")


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A dataset version opened for reading."""

    folder: Path
    sha256: str
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Path | str, *, sha256: str | None = None, verify: bool = False) -> "Pack":
        """Open a pack; with `sha256` only if its pack.json has it, with `verify` only if every file has its own."""
        folder = Path(folder)
        manifest, digest = read_manifest(folder, sha256)
        pack = cls(folder=folder, sha256=digest, manifest=manifest)
        if verify:
            pack.verify()
        return pack

    def verify(self) -> None:
        """Read every file and compare its sha256; PackError names the first that differs."""
        for path, entry in self.manifest["files"].items():
            with open(self._find_file(path), "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != entry["sha256"]:
                raise PackError(f"{self.folder / path} is damaged: sha256 {digest}, not {entry['sha256']}. {COPY}")

    def _find_file(self, path: str) -> Path:
        """A file of the manifest, there and of the right size."""
        file, parts = self.folder / path, PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or path not in self.manifest["files"]:
            raise PackError(f"{self.folder / 'pack.json'} names {path!r}, which is not a file of the pack. {COPY}")
        if not file.is_file():
            raise PackError(f"{file} is missing. {COPY}")
        size, wanted = file.stat().st_size, self.manifest["files"][path]["bytes"]
        if size != wanted:
            raise PackError(f"{file} has {size} bytes, not {wanted}. {COPY}")
        return file

    @cached_property
    def samples(self) -> pa.Table:
        """The table of samples, one row each, in the order of every array."""
        path = self._find_file(self.manifest["samples"]["path"])
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise PackError(f"{path} cannot be read as Parquet: {error}. {COPY}") from error
        if table.num_rows != self.manifest["samples"]["count"]:
            raise PackError(f"{path} has {table.num_rows} rows, not {self.manifest['samples']['count']}. {COPY}")
        return table

    def __len__(self) -> int:
        return int(self.manifest["samples"]["count"])

    def indices(self, split: str, having: Sequence[str] = ()) -> Indices:
        """Row numbers of a split, ascending; with `having` those of the samples that have all of these arrays."""
        if split not in (*SPLITS, ""):
            raise PackError(f"Unknown split {split!r}. Known: {', '.join(SPLITS)}.")
        chosen = pc.equal(self.samples.column("split"), split).to_numpy() & self.has_all(having)
        return np.flatnonzero(chosen).astype(np.int64)

    def has_all(self, names: Sequence[str]) -> npt.NDArray[np.bool_]:
        """True for the samples that have all of these arrays."""
        found = np.ones(len(self), dtype=bool)
        for name in names:
            found &= self.present(name)
        return found

    @property
    def array_names(self) -> tuple[str, ...]:
        """Names of the dense arrays that hold a modality."""
        return self._list_arrays("dense")

    @property
    def ragged_names(self) -> tuple[str, ...]:
        """Names of the arrays that hold a modality in samples of different lengths."""
        return self._list_arrays("ragged")

    def _list_arrays(self, layout: str) -> tuple[str, ...]:
        entries = self.manifest["arrays"].items()
        return tuple(name for name, entry in entries if "modality" in entry and entry["layout"] == layout)

    def array(self, name: str) -> PackArray:
        """The dense array called `name`, mapped from its shards."""
        entry = self._find_entry(name, "dense")
        shards = tuple(self._map_shard(shard, entry) for shard in entry["shards"])
        array = PackArray(name=name, entry=entry, shards=shards)
        self._check_length(name, len(array))
        return array

    def ragged(self, name: str) -> RaggedArray:
        """The array of samples of different lengths called `name`, mapped from its shards."""
        entry = self._find_entry(name, "ragged")
        shards = tuple(self._map_ragged(shard, entry) for shard in entry["shards"])
        array = RaggedArray(name=name, entry=entry, shards=shards)
        self._check_length(name, len(array))
        return array

    def present(self, name: str) -> npt.NDArray[np.bool_]:
        """True for the samples that have the array (or the target's array) called `name`."""
        entry = self.manifest["arrays"].get(name) or self._find_entry(name, "dense")
        flags = entry["presence"]
        return np.ones(len(self), dtype=bool) if flags == "all" else self.array(flags).gather(np.arange(len(self)))

    @property
    def links(self) -> pa.Table:
        """What belongs to the samples: photos, posts, stations, shapes, heights (fusion.pack_links.LINK_SCHEMA)."""
        if "links" not in self.manifest:
            return LINK_SCHEMA.empty_table()
        path = self._find_file(self.manifest["links"]["path"])
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise PackError(f"{path} cannot be read as Parquet: {error}. {COPY}") from error
        if table.num_rows != self.manifest["links"]["count"]:
            raise PackError(f"{path} has {table.num_rows} rows, not {self.manifest['links']['count']}. {COPY}")
        return table

    def linked(self, kind: str) -> npt.NDArray[np.bool_]:
        """True for the samples that have a link of this kind; all False where the pack has none of it."""
        found = self.manifest.get("links", {}).get("kinds", {}).get(kind)
        if found is None:
            return np.zeros(len(self), dtype=bool)
        flags = found["presence"]
        return np.ones(len(self), dtype=bool) if flags == "all" else self.array(flags).gather(np.arange(len(self)))

    def _find_entry(self, name: str, layout: str) -> dict[str, Any]:
        entry = self.manifest["arrays"].get(name)
        if entry is None:
            raise PackError(f"{self.folder} has no array {name!r}. It has {', '.join(self.manifest['arrays'])}.")
        found = entry["layout"]
        if found not in LAYOUTS:
            raise PackError(f"Array {name!r} is {found}; this Geoquorum reads {' and '.join(LAYOUTS)}. Update it.")
        if found != layout:
            raise PackError(f"Array {name!r} is {found}, not {layout}. Read it as {found}.")
        return cast(dict[str, Any], entry)

    def _check_length(self, name: str, count: int) -> None:
        if count != len(self):
            raise PackError(f"Array {name!r} holds {count} samples, the table {len(self)}. {COPY}")

    def _map_shard(self, shard: dict[str, Any], entry: dict[str, Any]) -> Array:
        path = self._find_file(shard["path"])
        mapped = map_shard(path, entry["dtype"], (shard["count"], *entry["shape"]))
        if mapped is None:
            raise PackError(f"{path} does not hold what the manifest says of its shape and dtype. {COPY}")
        return mapped

    def _map_ragged(self, shard: dict[str, Any], entry: dict[str, Any]) -> Ragged:
        path = self._find_file(shard["path"])
        mapped = map_ragged_shard(path, entry["dtype"], tuple(entry["shape"]), shard["count"], shard.get("items", 0))
        if mapped is None:
            raise PackError(f"{path} does not hold what the manifest says of its lengths, shape and dtype. {COPY}")
        return mapped

    def target(self, name: str | None = None) -> dict[str, Any]:
        """The manifest's entry of a target; without a name, of the only one."""
        targets = self.manifest["targets"]
        if name is None and len(targets) == 1:
            return cast(dict[str, Any], next(iter(targets.values())))
        if name not in targets:
            raise PackError(f"{self.folder} has no target {name!r}. It has {', '.join(targets) or 'none'}.")
        return cast(dict[str, Any], targets[name])

    def target_array(self, name: str | None = None) -> PackArray | RaggedArray:
        """The values of a target of head mask, field, boxes or tracks: its own, or those of the array it names."""
        target = self.target(name)
        key = target["arrays"].get(target["head"]) or target["array"]
        if key is None:
            raise PackError(f"A target of head {target['head']!r} has no array of values in {self.folder}.")
        return self.ragged(key) if self.manifest["arrays"].get(key, {}).get("layout") == "ragged" else self.array(key)

    def _target_part(self, part: str, name: str | None) -> Array:
        target = self.target(name)
        if part not in target["arrays"]:
            raise PackError(f"A target of head {target['head']!r} has no {part}; only head 'classes' has.")
        return self.array(target["arrays"][part]).gather(np.arange(len(self)))

    def labels(self, target: str | None = None) -> Indices:
        """Class index of every sample in the scheme's order; -1 where there is none."""
        return self._target_part("label", target).astype(np.int64)

    def distribution(self, target: str | None = None) -> npt.NDArray[np.float32]:
        """Share of each class [n, k]; rows of samples without votes are zero."""
        return self._target_part("distribution", target)

    def scheme(self, target: str | None = None) -> str:
        """Name of a target's scheme."""
        return str(self.target(target)["scheme"])

    @property
    def scheme_codes(self) -> tuple[str, ...]:
        """Codes of the only target's classes, in order."""
        return tuple(self.target()["codes"])
