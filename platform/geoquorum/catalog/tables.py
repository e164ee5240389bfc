"""Many samples at once from a table: all or nothing, each bad row named by its line."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction
from django.utils import timezone

from annotation.exchange.table_files import TableFile, read_table
from annotation.exchange.table_uploads import read_upload
from fusion import grid
from fusion.errors import BadInputError
from fusion.lines import Faults
from geoquorum.accounts.models import Project, User
from geoquorum.accounts.services import record
from geoquorum.catalog.models import Region, Sample
from geoquorum.catalog.services import get_region
from geoquorum.copying import copy_in, copy_out
from geoquorum.storing import hold

TIME = pa.timestamp("us", tz="UTC")
COLUMNS = {
    "sample": pa.string(),
    "kind": pa.string(),
    "region": pa.string(),
    "cell": pa.string(),
    "block": pa.string(),
    "longitude": pa.float64(),
    "latitude": pa.float64(),
    "epsg": pa.int32(),
    "width_px": pa.int32(),
    "height_px": pa.int32(),
    "pixel_size_m": pa.float64(),
    "captured_from": TIME,
    "captured_to": TIME,
}
NEEDED = ("sample",)
LONGEST = {"sample": 120, "cell": 40, "block": 60, "region": 120}
LARGEST_SIDE = 100_000
KEYS = "SELECT key FROM catalog_sample WHERE project_id = %(project)s AND kind = %(kind)s"


def take_samples(
    *, project: Project, path: Path, by: User | None, cell_m: int | None = None, is_upload: bool = False
) -> int:
    """Add the samples of a CSV or Parquet file; returns their number. BadInputError names bad rows, and none is taken.

    Columns: `sample` (a key, once per kind in the project) and perhaps those of COLUMNS; `kind` is patch where it is
    left out, regions are made where they are new. With `cell_m` samples that have a place and no cell get the grid
    cell of that size in metres. What somebody sent (`is_upload`) is read in a child process with bounds, but for
    small texts.
    """
    read = read_upload if is_upload else read_table
    file = read(path, COLUMNS, NEEDED)
    with transaction.atomic():
        hold(f"samples {project.pk}")  # the same table sent twice at once is taken once, and then refused by its keys
        count = _store(project, file, cell_m)
        detail = {"samples": count, "file": path.name[:200]}
        record(project=project, actor=by, action="samples imported", subject=f"project {project.pk}", detail=detail)
    return count


def _store(project: Project, file: TableFile, cell_m: int | None) -> int:
    rows = _complete(file.table)
    _check(project, file, rows)
    if cell_m is not None:
        rows = _give_cells(file, rows, cell_m)
    regions = _find_regions(project, rows["region"])
    n = rows.num_rows
    kept = {name: rows[name] for name in COLUMNS if name not in ("sample", "region")}
    same = {"project_id": project.pk, "is_simulated": project.is_simulated, "text": "", "attributes": "{}"}
    own = {"key": rows["sample"], "region_id": regions, "created_at": _all(timezone.now(), n)}
    copy_in(Sample, pa.table(kept | own | {name: _all(value, n) for name, value in same.items()}))
    return n


def _complete(table: pa.Table) -> pa.Table:
    """Every column of COLUMNS; text that is missing is empty, but a missing region is none."""
    empty = {"kind": Sample.Kind.PATCH.value, "cell": "", "block": ""}
    columns = {
        name: table[name] if name in table.column_names else pa.chunked_array([pa.nulls(table.num_rows, kind)])
        for name, kind in COLUMNS.items()
    }
    return pa.table({n: pc.fill_null(column, empty[n]) if n in empty else column for n, column in columns.items()})


def _check(project: Project, file: TableFile, rows: pa.Table) -> None:
    faults = Faults(name=file.name)

    def tell(bad: Any, words: str, *, shown: str | None = None) -> None:
        for row in np.flatnonzero(np.asarray(pc.fill_null(bad, False))).tolist():
            faults.add(file.place(row), words.format(repr(rows[shown][row].as_py())[:60] if shown else ""))

    tell(pc.is_null(rows["sample"]), "names no sample")
    for name, longest in LONGEST.items():
        tell(pc.greater(pc.utf8_length(rows[name]), longest), f"has a {name} of more than {longest} letters")
    kinds = pa.array(Sample.Kind.values)
    known = ", ".join(Sample.Kind.values)
    tell(pc.invert(pc.is_in(rows["kind"], kinds)), f"has kind {{}}; kinds are {known}", shown="kind")
    tell(pc.xor(pc.is_null(rows["longitude"]), pc.is_null(rows["latitude"])), "has half a place: give both degrees")
    for name, limit in (("longitude", 180), ("latitude", 90)):
        inside = pc.less_equal(pc.abs(rows[name]), limit)
        tell(pc.invert(inside), f"has {name} {{}}, outside -{limit}..{limit} degrees", shown=name)
        tell(pc.is_nan(rows[name]), f"has a {name} that is no number")
    matched = pc.match_substring_regex(rows["cell"], f"^({grid.ID_PATTERN.pattern})?$")
    tell(pc.invert(matched), "has cell {}; a cell looks like 32N-320-1875-16730", shown="cell")
    for name in ("width_px", "height_px", "pixel_size_m"):
        bad = pc.or_(pc.less_equal(rows[name], 0), pc.greater(rows[name], LARGEST_SIDE))
        tell(bad, f"has {name} {{}}, outside 0..{LARGEST_SIDE}", shown=name)
    _tell_doubles(project, file, rows, faults)
    faults.raise_if_any()


def _tell_doubles(project: Project, file: TableFile, rows: pa.Table, faults: Faults) -> None:
    """A key twice in the table, or one that the project has already."""
    pairs = pc.binary_join_element_wise(rows["kind"], rows["sample"], "/").combine_chunks()
    for row, first_row in _find_repeats(pairs):
        faults.add(file.place(row), f"has the sample of {file.place(first_row)} again")
    del pairs
    for kind in pc.unique(rows["kind"]).to_pylist():
        stored = copy_out(KEYS, {"project": project.pk, "kind": kind}, {"key": pa.string()})["key"]
        there = pc.and_(pc.equal(rows["kind"], kind), pc.is_in(rows["sample"], stored.combine_chunks()))
        for row in np.flatnonzero(np.asarray(there)).tolist():
            faults.add(file.place(row), f"names sample {rows['sample'][row].as_py()[:60]!r}, which the project has")


def _find_repeats(keys: pa.Array) -> list[tuple[int, int]]:
    """Each row whose key stands in an earlier row, with the first such row; nulls are no keys.

    Sorted, equal keys stand side by side, the first row first: half of the memory that a table of hashes takes.
    """
    order = pc.array_sort_indices(keys)
    ordered = pc.take(keys, order)
    is_same = np.concatenate([[False], np.asarray(pc.fill_null(pc.equal(ordered[1:], ordered[:-1]), False), bool)])
    if not is_same.any():
        return []
    rows = order.to_numpy()
    heads = np.maximum.accumulate(np.where(is_same, 0, np.arange(len(rows))))
    return sorted((int(rows[place]), int(rows[heads[place]])) for place in np.flatnonzero(is_same))


def _give_cells(file: TableFile, rows: pa.Table, size_m: int) -> pa.Table:
    wanted = np.asarray(pc.and_(pc.equal(rows["cell"], ""), pc.is_valid(rows["longitude"])))
    cells = np.asarray(rows["cell"].to_pylist(), dtype=object)
    lons, lats = (rows[name].to_numpy()[wanted].astype(float) for name in ("longitude", "latitude"))
    try:
        cells[wanted] = grid.name_cells(lons, lats, size_m)
    except BadInputError as error:
        raise BadInputError(f"{file.name}: {error} Leave the size of the cells out for such places.") from error
    return rows.set_column(rows.column_names.index("cell"), "cell", pa.array(cells, pa.string()))


def _find_regions(project: Project, names: pa.ChunkedArray) -> pa.Array:
    """The region of each row by name, made where it is new; null where none is named."""
    coded = names.combine_chunks().dictionary_encode()
    made: list[Region] = [
        get_region(project=project, name=name, is_simulated=project.is_simulated)
        for name in coded.dictionary.to_pylist()
    ]
    ids = pa.array([region.pk for region in made], pa.int64())
    return pc.take(ids, coded.indices)


def _all(value: Any, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)
