"""links.parquet of a pack: which photos, posts, stations, shapes and heights belong to each sample, how near, how late.

A pack names what is linked by its id, or its file's name and sha256; what is linked need not be in the pack.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fusion.errors import PackError

FILE = "links.parquet"
# `name` is the id of another sample or the name of a file, `part` what of that file it is, such as a station.
# `distance_m` is from the sample's centre, `share` of its ground, `lag_s` from its time; null is unknown.
LINK_SCHEMA = pa.schema(
    [
        ("sample", pa.string()),
        ("kind", pa.string()),
        ("name", pa.string()),
        ("part", pa.string()),
        ("sha256", pa.string()),
        ("distance_m", pa.float64()),
        ("lag_s", pa.float64()),
        ("off_axis_deg", pa.float64()),
        ("share", pa.float64()),
        ("count", pa.int32()),
    ]
)
Flags = npt.NDArray[np.bool_]


@dataclass(kw_only=True)
class LinkTally:
    """Links written so far by kind, and which samples have one."""

    samples: int
    links: dict[str, int] = field(default_factory=dict)
    present: dict[str, Flags] = field(default_factory=dict)

    def add(self, kinds: pa.ChunkedArray, rows: npt.NDArray[np.int64]) -> None:
        """Links of some kinds to the samples in these rows."""
        coded = kinds.combine_chunks().dictionary_encode()
        codes = np.asarray(coded.indices)
        for code, kind in enumerate(coded.dictionary.to_pylist()):
            own = rows[codes == code]
            self.links[kind] = self.links.get(kind, 0) + len(own)
            self.present.setdefault(kind, np.zeros(self.samples, dtype=bool))[own] = True

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.links.values())


def write_links(folder: Path, tables: Iterable[pa.Table], ids: list[str]) -> tuple[LinkTally, dict[str, Any]]:
    """Writes tables in the order of samples into a new file; answers what they hold, and the file's sha256 and bytes.

    PackError where a link names no sample of the pack, or one before those of the link before it.
    """
    tally, last, known = LinkTally(samples=len(ids)), 0, pa.array(ids, pa.string())
    path = folder / FILE
    with pq.ParquetWriter(path, LINK_SCHEMA, compression="zstd", version="2.6") as writer:
        for table in tables:
            chunk = table.select(LINK_SCHEMA.names).cast(LINK_SCHEMA)
            if not chunk.num_rows:
                continue
            rows = _find_rows(chunk["sample"], known)
            if rows[0] < last or (np.diff(rows) < 0).any():
                raise PackError("Links must come in the order of the samples. Sort them first.")
            last = int(rows[-1])
            tally.add(chunk["kind"], rows)
            writer.write_table(chunk)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return tally, {"sha256": digest, "bytes": path.stat().st_size}


def _find_rows(samples: pa.ChunkedArray, known: pa.Array) -> npt.NDArray[np.int64]:
    rows = pc.index_in(samples, value_set=known)
    if rows.null_count:
        lost = samples.filter(pc.is_null(rows))[0].as_py()
        raise PackError(f"A link names the sample {lost!r}, which the pack has not. Leave it out.")
    return np.asarray(rows.to_numpy(), dtype=np.int64)
