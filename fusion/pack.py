"""A dataset version on disk: a manifest, a GeoParquet table of samples, and memory-mapped shards of arrays.

Written once and never changed. Same samples, arrays and seed give the same bytes (with the same pyarrow).
Reading needs numpy and pyarrow only. An array's `layout` in the manifest is `dense` ([samples, *shape] in a tensor
`data`); `ragged` (tensors `values` and `offsets`) is kept for text, boxes and points and refused by this version.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.band_statistics import BandStatistics
from fusion.errors import PackError
from fusion.pack_array import PackArray, declare_stored
from fusion.sample import SAMPLE_SCHEMA, SPLITS, arrange_samples, encode_samples
from fusion.shard import SHARD_BYTES, HashedFile, check_blocks, map_shard, write_shards

SCHEMA_VERSION = 1
COPY = "Copy the pack again from where it was released."

__all__ = ["SAMPLE_SCHEMA", "SPLITS", "ArraySource", "Pack", "PackArray", "TargetSpec", "write_pack"]

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ArraySource:
    """What one array of a pack is made of: `chunks` yield [n, *shape] of `dtype` in the order of the samples.

    `dims` and `shape` are of one sample (for example band, y, x). `offset` and `scale` are those of the stored values
    (physical = (stored + offset) * scale); None takes the modality's own.
    """

    modality: str
    dims: tuple[str, ...]
    dtype: str
    bands: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: Iterable[Array]
    offset: float | None = None
    scale: float | None = None


@dataclass(frozen=True, kw_only=True)
class TargetSpec:
    """What is learned from a pack. Head `classes` takes the samples' label and distribution over `scheme`.

    Other heads name the array that holds them.
    """

    head: str
    scheme: str | None = None
    array: str | None = None


def write_pack(
    folder: Path,
    *,
    name: str,
    number: int,
    samples: pa.Table,
    arrays: Mapping[str, ArraySource],
    targets: Mapping[str, TargetSpec],
    provenance: Mapping[str, Any],
    seed: int,
    shard_bytes: int = SHARD_BYTES,
) -> str:
    """Write version `number` of dataset `name` into a new folder; answers the sha256 of its pack.json.

    Whole or not at all: it grows in a folder beside and is renamed. PackError names the sample or array that is wrong.
    """
    folder = Path(folder)
    if folder.exists():
        raise PackError(f"{folder} exists, and a dataset version never changes. Write the next number instead.")
    table = arrange_samples(samples)
    part = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.part"
    writer = _Writer(folder=part, samples=table, shard_bytes=shard_bytes)
    try:
        (part / "arrays").mkdir(parents=True)
        manifest: dict[str, Any] = {
            "format": "geoquorum-pack",
            "schema_version": SCHEMA_VERSION,
            "name": name,
            "number": number,
            "seed": seed,
            "provenance": dict(provenance),
            "samples": {"path": "samples.parquet", "count": table.num_rows},
            "splits": {split: int(np.sum(writer.splits == split)) for split in (*SPLITS, "")},
            "arrays": {key: writer.write_array(key, arrays[key]) for key in sorted(arrays)},
            "targets": {key: writer.write_target(key, targets[key]) for key in sorted(targets)},
        }
        manifest["arrays"].update(writer.target_arrays)
        manifest["counts"] = writer.count_labels(targets)
        writer.write_samples()
        manifest["files"] = dict(sorted(writer.files.items()))
        digest = writer.write_manifest(manifest)
        _sync_folders(part)
        os.rename(part, folder)
        _sync(folder.parent)
        return digest
    except OSError as error:
        raise PackError(
            f"{folder} could not be written: {error}. Nothing was left behind; see to the disk, then build it again."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@dataclass(kw_only=True)
class _Writer:
    """One pack while it grows: knows the samples, and the hash and size of each file written so far."""

    folder: Path
    samples: pa.Table
    shard_bytes: int
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    target_arrays: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def splits(self) -> Array:
        return np.asarray(self.samples.column("split").to_pylist(), dtype=object)

    @cached_property
    def ids(self) -> list[str]:
        return cast(list[str], self.samples.column("id").to_pylist())

    def write_array(self, name: str, source: ArraySource) -> dict[str, Any]:
        """Shards of one modality's array, and its entry in the manifest."""
        kind = modalities.find(source.modality)
        unknown = [band for band in source.bands if band not in kind.band_names]
        if unknown:
            raise PackError(f"Array {name!r}: {kind.name} has no band {', '.join(unknown)}. It has {kind.band_names}.")
        offset = kind.offset if source.offset is None else float(source.offset)
        scale = kind.scale if source.scale is None else float(source.scale)
        stored = declare_stored(kind, source.bands, source.dtype, offset, scale)
        tally = BandStatistics(modality=stored, dims=source.dims)
        shards = self._write_shards(name, source.chunks, source.dtype, source.shape, tally)
        statistics = tally.summarise()
        units = {band.name: band.unit for band in kind.bands}
        return {
            "layout": "dense",
            "modality": kind.name,
            "dims": list(source.dims),
            "shape": list(source.shape),
            "dtype": source.dtype,
            "bands": list(source.bands),
            "units": [units[band] for band in source.bands],
            "offset": offset,
            "scale": scale,
            "nodata": kind.nodata,
            "presence": "all",
            "statistics": None if statistics is None else {"split": "train", **statistics},
            "shards": shards,
        }

    def write_target(self, name: str, target: TargetSpec) -> dict[str, Any]:
        """A target's entry in the manifest; for head `classes` also the arrays <name>.label and <name>.distribution."""
        entry = {**asdict(target), "arrays": {}}
        if target.head != "classes":
            return entry
        if target.scheme is None:
            raise PackError(f"Target {name!r} has head 'classes' and names no scheme.")
        codes = schemes.find(target.scheme).codes
        values: dict[str, tuple[Array, tuple[int, ...]]] = {
            "label": (self._labels(codes), ()),
            "distribution": (self._distribution(codes), (len(codes),)),
        }
        for part, (array, shape) in values.items():
            key = f"{name}.{part}"
            entry["arrays"][part] = key
            self.target_arrays[key] = {
                "layout": "dense",
                "dims": ["class"] * len(shape),
                "shape": list(shape),
                "dtype": str(array.dtype),
                "presence": "all",
                "shards": self._write_shards(key, [array], str(array.dtype), shape),
            }
        return {**entry, "codes": list(codes)}

    def _labels(self, codes: Sequence[str]) -> npt.NDArray[np.int16]:
        places = {code: index for index, code in enumerate(codes)}
        labels = np.full(len(self.ids), -1, dtype=np.int16)
        for row, code in enumerate(self.samples.column("label").to_pylist()):
            if code and code not in places:
                raise PackError(f"Sample {self.ids[row]}: {code!r} is not among the codes {', '.join(codes)}.")
            if not code and self.splits[row]:
                raise PackError(f"Sample {self.ids[row]} is in split {self.splits[row]!r} without a label.")
            labels[row] = places[code] if code else -1
        return labels

    def _distribution(self, codes: Sequence[str]) -> npt.NDArray[np.float32]:
        table = np.zeros((len(self.ids), len(codes)), dtype=np.float32)
        for row, shares in enumerate(self.samples.column("distribution").to_pylist()):
            if shares is None and not self.splits[row]:
                continue
            given = np.asarray(shares if shares is not None else [], dtype=np.float32)
            if given.shape != (len(codes),) or not (given >= 0).all() or abs(float(given.sum()) - 1) > 1e-3:
                raise PackError(
                    f"Sample {self.ids[row]}: its distribution must hold {len(codes)} shares that sum to 1, "
                    f"not {shares}. Give one-hot shares where there were no votes."
                )
            table[row] = given
        return table

    def count_labels(self, targets: Mapping[str, TargetSpec]) -> dict[str, dict[str, int]]:
        """Samples per split and label, for every split that holds any."""
        labels = np.asarray([code or "" for code in self.samples.column("label").to_pylist()], dtype=object)
        counts: dict[str, dict[str, int]] = {}
        for split in SPLITS:
            codes, numbers = np.unique(labels[self.splits == split], return_counts=True)
            counts[split] = {str(code): int(n) for code, n in zip(codes, numbers, strict=True)}
        return counts if any(target.head == "classes" for target in targets.values()) else {}

    def _write_shards(
        self,
        name: str,
        chunks: Iterable[Array],
        dtype: str,
        shape: tuple[int, ...],
        tally: BandStatistics | None = None,
    ) -> list[dict[str, Any]]:
        blocks = check_blocks(name, chunks, dtype=dtype, shape=shape, ids=self.ids)
        shards = write_shards(
            self.folder,
            name,
            blocks if tally is None else self._tally_train(blocks, tally),
            dtype=dtype,
            shape=shape,
            total=len(self.ids),
            shard_bytes=self.shard_bytes,
        )
        self.files.update({shard.path: shard.entry for shard in shards})
        return [{"path": shard.path, "first": shard.first, "count": shard.count} for shard in shards]

    def _tally_train(self, blocks: Iterable[Array], tally: BandStatistics) -> Iterator[Array]:
        row = 0
        for block in blocks:
            tally.add(block[self.splits[row : row + len(block)] == "train"])
            row += len(block)
            yield block

    def write_samples(self) -> None:
        """samples.parquet."""
        with HashedFile(self.folder / "samples.parquet") as file:
            file.write(encode_samples(self.samples))
        self.files["samples.parquet"] = file.entry()

    def write_manifest(self, manifest: dict[str, Any]) -> str:
        try:
            text = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PackError(f"The manifest is not JSON: {error}. Look at what provenance holds.") from error
        with HashedFile(self.folder / "pack.json") as file:
            file.write(f"{text}\n".encode())
        return str(file.entry()["sha256"])


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folders(folder: Path) -> None:
    _sync(folder / "arrays")
    _sync(folder)


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
        manifest, digest = _read_manifest(folder, sha256)
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

    def indices(self, split: str) -> Indices:
        """Row numbers of a split, ascending."""
        if split not in (*SPLITS, ""):
            raise PackError(f"Unknown split {split!r}. Known: {', '.join(SPLITS)}.")
        return np.flatnonzero(pc.equal(self.samples.column("split"), split).to_numpy()).astype(np.int64)

    @property
    def array_names(self) -> tuple[str, ...]:
        """Names of the arrays that hold a modality."""
        return tuple(name for name, entry in self.manifest["arrays"].items() if "modality" in entry)

    def array(self, name: str) -> PackArray:
        """The array called `name`, mapped from its shards."""
        entry = self.manifest["arrays"].get(name)
        if entry is None:
            raise PackError(f"{self.folder} has no array {name!r}. It has {', '.join(self.manifest['arrays'])}.")
        if entry["layout"] != "dense":
            raise PackError(f"Array {name!r} is {entry['layout']}; this Geoquorum reads dense arrays only. Update it.")
        shards = tuple(self._map_shard(shard, entry) for shard in entry["shards"])
        array = PackArray(name=name, entry=entry, shards=shards)
        if len(array) != len(self):
            raise PackError(f"Array {name!r} holds {len(array)} samples, the table {len(self)}. {COPY}")
        return array

    def _map_shard(self, shard: dict[str, Any], entry: dict[str, Any]) -> Array:
        path = self._find_file(shard["path"])
        mapped = map_shard(path, entry["dtype"], (shard["count"], *entry["shape"]))
        if mapped is None:
            raise PackError(f"{path} does not hold what the manifest says of its shape and dtype. {COPY}")
        return mapped

    def target(self, name: str | None = None) -> dict[str, Any]:
        """The manifest's entry of a target; without a name, of the only one."""
        targets = self.manifest["targets"]
        if name is None and len(targets) == 1:
            return cast(dict[str, Any], next(iter(targets.values())))
        if name not in targets:
            raise PackError(f"{self.folder} has no target {name!r}. It has {', '.join(targets) or 'none'}.")
        return cast(dict[str, Any], targets[name])

    def _target_array(self, part: str, name: str | None) -> Array:
        target = self.target(name)
        if part not in target["arrays"]:
            raise PackError(f"A target of head {target['head']!r} has no {part}; only head 'classes' has.")
        return self.array(target["arrays"][part]).gather(np.arange(len(self)))

    def labels(self, target: str | None = None) -> Indices:
        """Class index of every sample in the scheme's order; -1 where there is none."""
        return self._target_array("label", target).astype(np.int64)

    def distribution(self, target: str | None = None) -> npt.NDArray[np.float32]:
        """Share of each class [n, k]; rows of samples without votes are zero."""
        return self._target_array("distribution", target)

    def scheme(self, target: str | None = None) -> str:
        """Name of a target's scheme."""
        return str(self.target(target)["scheme"])

    @property
    def scheme_codes(self) -> tuple[str, ...]:
        """Codes of the only target's classes, in order."""
        return tuple(self.target()["codes"])


def _read_manifest(folder: Path, sha256: str | None) -> tuple[dict[str, Any], str]:
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
    missing = {"samples", "arrays", "targets", "splits", "files"} - set(manifest)
    if missing:
        raise PackError(f"{path} lacks {', '.join(sorted(missing))}. {COPY}")
    return cast(dict[str, Any], manifest), digest
