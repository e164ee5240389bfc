"""On row C5 and row C11: tables and areas that somebody sent come through their child as they are, or not at all."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from annotation.exchange import kml, kml_uploads, table_uploads
from annotation.exchange.label_studio import read_tasks
from annotation.exchange.table_files import read_table
from fusion import scheme as schemes
from fusion.bounded import SMALL_BYTES, Bounds
from fusion.errors import BadFileError, BadInputError

COLUMNS = {"sample": pa.string(), "width_px": pa.int32(), "captured": pa.timestamp("us", tz="UTC")}
LCZ = schemes.find("lcz17")
RING = "7,50 7.01,50 7.01,50.01 7,50.01 7,50"


def write_areas(path: Path, padding: int) -> Path:
    """Two areas, one of them crossed, under a description of some length."""
    polygon = (
        "<Polygon><outerBoundaryIs><LinearRing><coordinates>{}</coordinates></LinearRing></outerBoundaryIs></Polygon>"
    )
    marks = [polygon.format(RING), polygon.format("7,50 7.01,50.01 7.01,50 7,50.01 7,50")]
    placemarks = "".join(f"<Placemark><name>{place}</name>{mark}</Placemark>" for place, mark in enumerate(marks))
    path.write_text(
        f'<kml xmlns="http://www.opengis.net/kml/2.2"><Folder><name>6</name><description>{"x" * padding}</description>'
        f"{placemarks}</Folder></kml>"
    )
    return path


def test_parquet_comes_through_its_child_as_it_is(tmp_path: Path) -> None:
    table = pa.table({"sample": ["a", None], "width_px": [32, 64]})
    parquet.write_table(table, tmp_path / "a.parquet")
    file = table_uploads.read_upload(tmp_path / "a.parquet", COLUMNS, ("sample",))
    here = read_table(tmp_path / "a.parquet", COLUMNS, ("sample",))
    assert (file.table.equals(here.table), file.is_text, file.place(0)) == (True, False, "row 1")


def test_a_small_text_needs_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_uploads, "run_bounded", lambda *_a, **_k: pytest.fail("a child was started"))
    (tmp_path / "a.csv").write_text("sample\na\n")
    assert table_uploads.read_upload(tmp_path / "a.csv", COLUMNS, ("sample",)).table.num_rows == 1


@pytest.mark.slow
def test_a_parquet_file_that_unpacks_to_far_more_ends_its_child_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty million equal rows pack into a few kilobytes."""
    same = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), 20_000_000), pa.array(["x" * 200]))
    parquet.write_table(pa.table({"sample": same}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 2**20
    monkeypatch.setattr(table_uploads, "BOUNDS", Bounds(seconds=30, memory_bytes=2**30, disk_bytes=2**28))
    with pytest.raises((BadFileError, BadInputError), match=r"a\.parquet"):
        table_uploads.read_upload(tmp_path / "a.parquet", COLUMNS, ("sample",))


@pytest.mark.slow
def test_a_large_label_studio_file_says_the_same_from_its_child(tmp_path: Path) -> None:
    result = [{"from_name": "answer", "to_name": "picture", "type": "choices", "value": {"choices": ["6"]}}]
    annotation = {"completed_by": "ann", "result": result}
    tasks = [
        {"id": n, "data": {"sample": f"s{n}", "note": "x" * 300}, "annotations": [annotation]} for n in range(2_000)
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    assert (tmp_path / "tasks.json").stat().st_size > SMALL_BYTES
    found = table_uploads.read_tasks_upload(tmp_path / "tasks.json", LCZ.codes)
    assert found.equals(read_tasks((tmp_path / "tasks.json").read_bytes(), LCZ.codes))


def test_large_areas_come_through_their_child_with_what_was_rejected(tmp_path: Path) -> None:
    path = write_areas(tmp_path / "areas.kml", SMALL_BYTES)
    assert kml_uploads.read_upload(path, LCZ) == kml.read_file(path, LCZ)
    found = kml_uploads.read_upload(path, LCZ)
    assert (len(found.areas), len(found.rejected), list(found.marks)) == (1, 1, [0])


def test_small_areas_need_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kml_uploads, "run_bounded", lambda *_a, **_k: pytest.fail("a child was started"))
    assert len(kml_uploads.read_upload(write_areas(tmp_path / "areas.kml", 10), LCZ).areas) == 1


def test_an_error_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sample,width_px\n" + "a,wide\n" * (SMALL_BYTES // 6))
    with pytest.raises(BadInputError, match=r"a\.csv: line 2 has width_px 'wide', which is no whole number"):
        table_uploads.read_upload(tmp_path / "a.csv", COLUMNS, ("sample",))
