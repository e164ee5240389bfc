"""The frozen table behind a release: which samples with which labels, and how to read their arrays. A pure value."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from annotation.consensus import ConsensusResult
from annotation.votes import VoteTable
from fusion.errors import BadInputError
from fusion.pack import ArraySource, TargetSpec, write_pack
from fusion.pack_source import Chunks

ROWS_PER_READ = 256


@dataclass(frozen=True, kw_only=True)
class ArrayReader:
    """One array of the samples: `read` answers [m, *shape] of `dtype` for m row numbers of the snapshot's table.

    Where leading axes differ from sample to sample (None in `shape`: photos, words, points) it answers a list of one
    array per row. Other fields as in ArraySource: physical value = (stored + offset) * scale, None for the modality's
    own; `times` name the places of the time axis; `present` has one flag per row of the table, and what `read` answers
    for the others is not looked at.
    """

    modality: str
    dims: tuple[str, ...]
    dtype: str
    bands: tuple[str, ...]
    shape: tuple[int | None, ...]
    read: Callable[[npt.NDArray[np.int64]], npt.NDArray[Any] | Sequence[npt.NDArray[Any]]]
    offset: float | None = None
    scale: float | None = None
    times: tuple[str, ...] = ()
    wavelengths_nm: tuple[float | None, ...] = ()
    present: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """What a release is made of. `samples` has the columns of a pack's table, sorted by id; rows are never re-ordered.

    `links` answers tables of what belongs to the samples, in their order (fusion.pack_links). Build it with `freeze`,
    which sorts and checks.
    """

    samples: pa.Table
    arrays: Mapping[str, ArrayReader]
    targets: Mapping[str, TargetSpec]
    provenance: Mapping[str, Any]
    links: Callable[[], Iterable[pa.Table]] = tuple

    def __len__(self) -> int:
        return int(self.samples.num_rows)

    @property
    def sample_ids(self) -> list[str]:
        return [str(key) for key in self.samples.column("id").to_pylist()]

    def write(self, folder: Path, *, name: str, number: int, seed: int) -> str:
        """Write this snapshot as version `number` of dataset `name`; answers the sha256 of its pack.json."""
        return write_pack(
            folder,
            name=name,
            number=number,
            samples=self.samples,
            arrays={key: self._source(reader) for key, reader in self.arrays.items()},
            targets=self.targets,
            provenance=self.provenance,
            seed=seed,
            links=self.links(),
        )

    def _source(self, reader: ArrayReader) -> ArraySource:
        return ArraySource(
            modality=reader.modality,
            dims=reader.dims,
            dtype=reader.dtype,
            bands=reader.bands,
            shape=reader.shape,
            chunks=cast(Chunks, self._read_chunks(reader)),
            offset=reader.offset,
            scale=reader.scale,
            times=reader.times,
            wavelengths_nm=reader.wavelengths_nm,
            present=reader.present,
        )

    def _read_chunks(self, reader: ArrayReader) -> Iterator[npt.NDArray[Any] | Sequence[npt.NDArray[Any]]]:
        for start in range(0, len(self), ROWS_PER_READ):
            yield reader.read(np.arange(start, min(start + ROWS_PER_READ, len(self)), dtype=np.int64))


def freeze(
    samples: pa.Table,
    *,
    arrays: Mapping[str, ArrayReader],
    targets: Mapping[str, TargetSpec],
    provenance: Mapping[str, Any],
    links: Callable[[], Iterable[pa.Table]] = tuple,
) -> Snapshot:
    """A snapshot of `samples`, sorted by id: the same samples give the same release in whatever order they came.

    Readers count rows in the sorted table, so hand over a table that is sorted by id, or use Snapshot.sample_ids.
    """
    if not samples.num_rows:
        raise BadInputError("A release needs at least one sample; choose consensus rows first.")
    table = samples.sort_by("id")
    ids = table.column("id").to_pylist()
    for first, second in pairwise(ids):
        if first == second:
            raise BadInputError(f"Sample {first!r} is in the release twice; hand in each sample once.")
    return Snapshot(samples=table, arrays=dict(arrays), targets=dict(targets), provenance=dict(provenance), links=links)


def describe_labels(result: ConsensusResult, votes: VoteTable, codes: Sequence[str]) -> pa.Table:
    """Columns id, label, distribution, votes, agreement, entropy and flags of a pack's table, one row per sample.

    `votes` holds counts per class; `entropy` is that of the raw votes in nats, which stays where a posterior is sure;
    flags are out of settled, disputed, tie.
    """
    if votes.sample_ids != result.sample_ids:
        raise BadInputError("The votes are not those of this consensus; hand in the table it was made from.")
    flags = {"settled": result.is_settled, "disputed": result.is_disputed, "tie": result.is_tie}
    columns = [flag.tolist() for flag in flags.values()]
    return pa.table(
        {
            "id": pa.array([str(key) for key in result.sample_ids], pa.string()),
            "label": pa.array(np.asarray(codes, dtype=object)[result.label], pa.string()),
            "distribution": _list_rows(result.distribution),
            "votes": _list_rows(votes.counts()),
            "agreement": pa.array(result.agreement),
            "entropy": pa.array(result.vote_entropy),
            "flags": pa.array(
                [[name for name, on in zip(flags, row, strict=True) if on] for row in zip(*columns, strict=True)],
                pa.list_(pa.string()),
            ),
        }
    )


def _list_rows(table: npt.NDArray[Any]) -> pa.Array:
    edges = np.arange(len(table) + 1, dtype=np.int32) * table.shape[1]
    return pa.ListArray.from_arrays(edges, pa.array(np.ascontiguousarray(table).ravel()))
