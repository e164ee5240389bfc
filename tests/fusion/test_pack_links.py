"""What is linked to the samples of a pack: the same bytes twice, presence by kind, and faults named."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fusion.errors import PackError
from fusion.pack import Pack, TargetSpec, write_pack
from fusion.pack_links import LINK_SCHEMA
from tests.fusion.modalities.samples import EVERY, make_stored
from tests.fusion.pack_parts import N, make_source, make_table

BANDS = [make_stored(EVERY["sentinel1_grd"], seed=row) for row in range(N)]


def link(sample: int, kind: str, name: str = "x", **words: object) -> dict[str, object]:
    fixed = {"sample": f"s{sample:02d}", "kind": kind, "name": name, "part": "", "sha256": ""}
    return {name: None for name in LINK_SCHEMA.names} | fixed | words


def write(folder: Path, *tables: list[dict[str, object]]) -> str:
    return write_pack(
        folder,
        name="linked",
        number=1,
        samples=make_table(),
        arrays={"s1": make_source("sentinel1_grd", BANDS)},
        targets={"wet": TargetSpec(head="classes", scheme="water")},
        provenance={},
        seed=1,
        links=(pa.Table.from_pylist(rows, schema=LINK_SCHEMA) for rows in tables),
    )


MANY = (
    [link(0, "photo", "p1", distance_m=12.5, share=0.25), link(0, "station", "met.csv", part="a"), link(2, "photo")],
    [],
    [*(link(row, "station") for row in range(2, N)), link(N - 1, "post", lag_s=-3.0)],
)


def test_links_come_back_with_presence_by_kind(tmp_path: Path) -> None:
    write(tmp_path / "p", *MANY)
    pack = Pack.open(tmp_path / "p", verify=True)
    assert pack.links.num_rows == 3 + N - 2 + 1
    assert pack.links.schema.equals(LINK_SCHEMA)
    assert pack.links.to_pylist()[0] == MANY[0][0]
    assert np.flatnonzero(pack.linked("photo")).tolist() == [0, 2]
    assert np.flatnonzero(~pack.linked("station")).tolist() == [1]
    assert not pack.linked("video").any()
    told = pack.manifest["links"]
    assert told["kinds"]["photo"] == {"links": 2, "samples": 2, "presence": "links.photo.present"}
    assert "links.parquet" in pack.manifest["files"]
    assert pack.array_names == ("s1",)


def test_a_kind_that_every_sample_has_needs_no_flags(tmp_path: Path) -> None:
    write(tmp_path / "p", [link(row, "heights") for row in range(N)])
    pack = Pack.open(tmp_path / "p")
    assert pack.manifest["links"]["kinds"]["heights"]["presence"] == "all"
    assert pack.linked("heights").all()


def test_the_same_links_give_the_same_bytes_and_other_links_others(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", *MANY), write(tmp_path / "b", *MANY)
    assert first == second
    assert write(tmp_path / "c", *MANY[:1]) != first


def test_a_pack_without_links_is_as_it_was(tmp_path: Path) -> None:
    assert write(tmp_path / "a") == write(tmp_path / "b", [])
    pack = Pack.open(tmp_path / "a", verify=True)
    assert (pack.links.num_rows, pack.linked("photo").any()) == (0, False)
    assert "links" not in pack.manifest
    assert not (tmp_path / "a" / "links.parquet").exists()


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([[link(99, "photo")]], "names the sample 's99', which the pack has not"),
        ([[link(2, "photo"), link(1, "photo")]], "order of the samples"),
        ([[link(2, "photo")], [link(1, "photo")]], "order of the samples"),
    ],
)
def test_links_of_no_sample_or_out_of_order_are_refused_and_nothing_is_left(tmp_path, tables, said) -> None:
    with pytest.raises(PackError, match=said):
        write(tmp_path / "p", *tables)
    assert list(tmp_path.iterdir()) == []


def test_damaged_links_are_named(tmp_path: Path) -> None:
    write(tmp_path / "p", *MANY)
    path = tmp_path / "p" / "links.parquet"
    size = path.stat().st_size
    path.write_bytes(b"\0" * size)
    with pytest.raises(PackError, match=r"links\.parquet cannot be read as Parquet"):
        _ = Pack.open(tmp_path / "p").links
    with pytest.raises(PackError, match=r"links\.parquet is damaged"):
        Pack.open(tmp_path / "p", verify=True)
    pq.write_table(pa.Table.from_pylist([], schema=LINK_SCHEMA), path)
    with pytest.raises(PackError, match=r"links\.parquet has \d+ bytes"):
        _ = Pack.open(tmp_path / "p").links
