"""Writing a dataset version: whole or not at all, the same bytes for the same samples, arrays and seed."""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.band_statistics import BandStatistics
from fusion.errors import PackError
from fusion.pack_array import declare_stored
from fusion.pack_links import FILE, write_links
from fusion.pack_manifest import SCHEMA_VERSION, sync, write_manifest
from fusion.pack_source import ArraySource, TargetSource, TargetSpec
from fusion.pack_stream import check_present, check_source, check_text, fill_absent, list_present
from fusion.pack_target import TargetCheck
from fusion.ragged_shard import check_samples, write_ragged_shards
from fusion.sample import SPLITS, arrange_samples, encode_samples
from fusion.shard import SHARD_BYTES, HashedFile, check_blocks, write_shards

Array = npt.NDArray[Any]
Entry = dict[str, Any]
LEFT_BEHIND = "Nothing was left behind; see to the disk, then build it again."


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
    links: Iterable[pa.Table] = (),
    shard_bytes: int = SHARD_BYTES,
) -> str:
    """Write version `number` of dataset `name` into a new folder; answers the sha256 of its pack.json.

    `links` are tables of fusion.pack_links.LINK_SCHEMA in the order of the samples: what belongs to each of them.
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
            "targets": {key: writer.write_target(key, targets[key], set(arrays)) for key in sorted(targets)},
        }
        manifest |= writer.write_links(links)
        manifest["arrays"].update(writer.own_arrays)
        manifest["counts"] = writer.count_labels(targets)
        writer.write_samples()
        manifest["files"] = dict(sorted(writer.files.items()))
        digest = write_manifest(part, manifest)
        os.rename(part, folder)
        sync(folder.parent)
        return digest
    except OSError as error:
        raise PackError(f"{folder} could not be written: {error}. {LEFT_BEHIND}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@dataclass(kw_only=True)
class _Writer:
    """One pack while it grows: knows the samples, and the hash and size of each file written so far."""

    folder: Path
    samples: pa.Table
    shard_bytes: int
    files: dict[str, Entry] = field(default_factory=dict)
    own_arrays: dict[str, Entry] = field(default_factory=dict)

    @cached_property
    def splits(self) -> Array:
        return np.asarray(self.samples.column("split").to_pylist(), dtype=object)

    @cached_property
    def ids(self) -> list[str]:
        return cast(list[str], self.samples.column("id").to_pylist())

    def write_array(self, name: str, source: ArraySource) -> Entry:
        """Shards of one modality's array, and its entry in the manifest."""
        kind = modalities.find(source.modality)
        check_source(name, source, kind)
        offset = kind.offset if source.offset is None else float(source.offset)
        scale = kind.scale if source.scale is None else float(source.scale)
        entry: Entry = {
            "layout": "ragged" if None in source.shape else "dense",
            "modality": kind.name,
            "dims": list(source.dims),
            "shape": list(source.shape),
            "dtype": source.dtype,
            "bands": list(source.bands),
            "offset": offset,
            "scale": scale,
            "nodata": kind.nodata,
            **({"times": list(source.times)} if source.times else {}),
            **({"wavelengths_nm": list(source.wavelengths_nm)} if source.wavelengths_nm else {}),
        }
        stored = declare_stored(kind, source.bands, source.dtype, offset, scale, source.wavelengths_nm)
        entry["units"] = [band.unit for band in stored.bands]
        entry["presence"] = self._write_presence(name, source.present)
        tally = BandStatistics(modality=stored, dims=source.dims)
        entry["shards"] = self._write_values(name, source, kind.nodata, tally, is_text=kind.kind == "text")
        statistics = tally.summarise()
        entry["statistics"] = None if statistics is None else {"split": "train", **statistics}
        return entry

    def write_target(self, name: str, target: TargetSpec, arrays: set[str]) -> Entry:
        """A target's entry in the manifest, and the arrays that it brings along.

        For head `classes` these are <name>.label and <name>.distribution, for others <name>.<head>.
        """
        entry: Entry = {"head": target.head, "scheme": target.scheme, "array": target.array, "arrays": {}}
        codes = schemes.find(target.scheme).codes if target.scheme else ()
        if target.array is not None and target.array not in arrays:
            raise PackError(f"Target {name!r} names array {target.array!r}; the pack has {', '.join(sorted(arrays))}.")
        if target.head == "classes":
            if target.scheme is None:
                raise PackError(f"Target {name!r} has head 'classes' and names no scheme.")
            entry["arrays"] = self._write_classes(name, target, codes)
        elif target.values is not None:
            entry["arrays"] = {target.head: self._write_target_values(name, target.head, target.values, codes)}
        return {**entry, **({"codes": list(codes)} if codes else {})}

    def _write_classes(self, name: str, target: TargetSpec, codes: Sequence[str]) -> dict[str, str]:
        columns = {target.label, target.distribution} - set(self.samples.column_names)
        if columns:
            raise PackError(f"Target {name!r}: the samples have no column {', '.join(sorted(columns))}.")
        values: dict[str, tuple[Array, tuple[int, ...]]] = {
            "label": (self._labels(target.label, codes), ()),
            "distribution": (self._distribution(target.distribution, codes), (len(codes),)),
        }
        for part, (array, shape) in values.items():
            self._write_own(f"{name}.{part}", array, dims=["class"] * len(shape), shape=shape)
        return {part: f"{name}.{part}" for part in values}

    def _write_target_values(self, name: str, head: str, source: TargetSource, codes: Sequence[str]) -> str:
        check = TargetCheck(name=name, head=head, source=source, codes=len(codes), ids=self.ids)
        check.check_layout()
        key = f"{name}.{head}"
        self.own_arrays[key] = {
            "layout": "ragged" if None in source.shape else "dense",
            "dims": list(source.dims),
            "shape": list(source.shape),
            "dtype": source.dtype,
            "nodata": source.nodata,
            "unit": source.unit,
            **({"columns": list(check.form.columns)} if check.form.columns else {}),
            "presence": self._write_presence(key, source.present),
            "shards": self._write_values(key, source, source.nodata, check=check),
        }
        return key

    def _write_presence(self, name: str, present: npt.NDArray[np.bool_] | None) -> str:
        """`all`, or the name of the array that says which samples have this one."""
        if present is None:
            return "all"
        check_present(name, present, len(self.ids))
        self._write_own(f"{name}.present", present, dims=[], shape=())
        return f"{name}.present"

    def _write_own(self, key: str, array: Array, *, dims: list[str], shape: tuple[int, ...]) -> None:
        blocks = check_blocks(key, [array], dtype=str(array.dtype), shape=shape, ids=self.ids)
        self.own_arrays[key] = {
            "layout": "dense",
            "dims": dims,
            "shape": list(shape),
            "dtype": str(array.dtype),
            "presence": "all",
            "shards": self._write_dense(key, blocks, str(array.dtype), shape),
        }

    def _write_values(
        self,
        name: str,
        source: ArraySource | TargetSource,
        nodata: float | None,
        tally: BandStatistics | None = None,
        check: TargetCheck | None = None,
        *,
        is_text: bool = False,
    ) -> list[Entry]:
        if None in source.shape:
            samples = check_samples(name, list_present(source), dtype=source.dtype, shape=source.shape, ids=self.ids)
            samples = check_text(name, samples, self.ids) if is_text else samples
            return self._write_ragged(name, samples if check is None else check.watch_samples(samples), source)
        shape = tuple(size for size in source.shape if size is not None)
        chunks = fill_absent(cast(Iterable[Array], source.chunks), source.present, nodata)
        blocks = check_blocks(name, chunks, dtype=source.dtype, shape=shape, ids=self.ids)
        if tally is not None:
            blocks = self._tally_train(blocks, tally, source.present)
        return self._write_dense(name, blocks if check is None else check.watch(blocks), source.dtype, shape)

    def _write_dense(self, name: str, blocks: Iterable[Array], dtype: str, shape: tuple[int, ...]) -> list[Entry]:
        total, room = len(self.ids), self.shard_bytes
        shards = write_shards(self.folder, name, blocks, dtype=dtype, shape=shape, total=total, shard_bytes=room)
        self.files.update({shard.path: shard.entry for shard in shards})
        return [shard.describe() for shard in shards]

    def _write_ragged(self, name: str, samples: Iterator[Array], source: ArraySource | TargetSource) -> list[Entry]:
        shards = write_ragged_shards(
            self.folder,
            name,
            samples,
            dtype=source.dtype,
            shape=source.shape,
            total=len(self.ids),
            shard_bytes=self.shard_bytes,
        )
        self.files.update({shard.path: shard.entry for shard in shards})
        return [shard.describe() for shard in shards]

    def _tally_train(
        self, blocks: Iterable[Array], tally: BandStatistics, present: npt.NDArray[np.bool_] | None
    ) -> Iterator[Array]:
        row, is_train = 0, self.splits == "train"
        counted = is_train if present is None else is_train & present
        for block in blocks:
            tally.add(block[counted[row : row + len(block)]])
            row += len(block)
            yield block

    def _labels(self, column: str, codes: Sequence[str]) -> npt.NDArray[np.int16]:
        places = {code: index for index, code in enumerate(codes)}
        labels = np.full(len(self.ids), -1, dtype=np.int16)
        for row, code in enumerate(self.samples.column(column).to_pylist()):
            if code and code not in places:
                raise PackError(f"Sample {self.ids[row]}: {code!r} is not among the codes {', '.join(codes)}.")
            if not code and self.splits[row]:
                raise PackError(f"Sample {self.ids[row]} is in split {self.splits[row]!r} without a label.")
            labels[row] = places[code] if code else -1
        return labels

    def _distribution(self, column: str, codes: Sequence[str]) -> npt.NDArray[np.float32]:
        table = np.zeros((len(self.ids), len(codes)), dtype=np.float32)
        for row, shares in enumerate(self.samples.column(column).to_pylist()):
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

    def write_links(self, tables: Iterable[pa.Table]) -> dict[str, Entry]:
        """links.parquet and its entry in the manifest, with presence by kind; nothing where nothing is linked."""
        tally, file = write_links(self.folder, tables, self.ids)
        if not tally.count:
            (self.folder / FILE).unlink()
            return {}
        self.files[FILE] = file
        kinds = {
            kind: {
                "links": tally.links[kind],
                "samples": int(flags.sum()),
                "presence": self._write_presence(f"links.{kind}", None if flags.all() else flags),
            }
            for kind, flags in sorted(tally.present.items())
        }
        return {"links": {"path": FILE, "count": tally.count, "kinds": kinds}}

    def write_samples(self) -> None:
        """samples.parquet."""
        with HashedFile(self.folder / "samples.parquet") as file:
            file.write(encode_samples(self.samples))
        self.files["samples.parquet"] = file.entry()
