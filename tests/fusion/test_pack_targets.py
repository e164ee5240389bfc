"""Targets of every head in one pack: classes twice, mask, field, boxes, tracks; what cannot be learned is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion.errors import PackError
from fusion.pack import ArraySource, Pack, RaggedArray, TargetSource, TargetSpec, write_pack
from fusion.scheme import find as find_scheme
from tests.fusion.pack_parts import N, make_source, make_table

BOX = (8.0, 9.0, 4.0, 2.0, 30.0, 1.0)
TRACK = (0.0, 3.0, 8.0, 9.0, 4.0, 2.0, 0.0)


def make_array() -> dict[str, ArraySource]:
    return {"s2": make_source("sentinel2", [np.full((10, 4, 4), 900 + row, np.uint16) for row in range(N)])}


def make_mask(**words: Any) -> TargetSource:
    values = np.random.default_rng(0).integers(0, 2, (N, 4, 4)).astype(np.uint8)
    values[0, 0] = 255
    return TargetSource(
        **{"dims": ("y", "x"), "dtype": "uint8", "shape": (4, 4), "chunks": [values], "nodata": 255, **words}
    )


def make_field(**words: Any) -> TargetSource:
    values = np.random.default_rng(0).normal(8, 3, (N, 1, 4, 4)).astype(np.float32)
    given = {"dims": ("band", "y", "x"), "dtype": "float32", "shape": (1, 4, 4), "chunks": [values], "unit": "m"}
    return TargetSource(**{**given, "nodata": -9999.0, **words})


def make_rows(row: tuple[float, ...], **words: Any) -> TargetSource:
    samples = [np.array([row] * (number % 3), dtype=np.float32).reshape(-1, len(row)) for number in range(N)]
    if len(row) == 7:
        for sample in samples:
            sample[:, 0] = np.arange(len(sample))
    given = {"dims": ("box", "column"), "dtype": "float32", "shape": (None, len(row)), "chunks": [samples]}
    return TargetSource(**{**given, **words})


def write(folder: Path, targets: dict[str, TargetSpec], **words: Any) -> str:
    given = {"samples": make_table(), "arrays": make_array(), "targets": targets, **words}
    return write_pack(folder, name="targets", number=1, provenance={}, seed=1, **given)


def all_targets() -> dict[str, TargetSpec]:
    return {
        "wet": TargetSpec(head="classes", scheme="water"),
        "sure": TargetSpec(head="classes", scheme="water", label="second", distribution="second_shares"),
        "flood": TargetSpec(head="mask", scheme="water", values=make_mask()),
        "height": TargetSpec(head="field", values=make_field(present=np.arange(N) > 2)),
        "cars": TargetSpec(head="boxes", scheme="water", values=make_rows(BOX)),
        "paths": TargetSpec(head="tracks", values=make_rows(TRACK)),
        "itself": TargetSpec(head="field", array="s2"),
    }


def two_labels() -> Any:
    table = make_table()
    return table.append_column("second", table.column("label")).append_column(
        "second_shares", table.column("distribution")
    )


def test_a_pack_holds_targets_of_every_head_at_once(tmp_path: Path) -> None:
    write(tmp_path / "p", all_targets(), samples=two_labels())
    pack = Pack.open(tmp_path / "p", verify=True)
    assert set(pack.manifest["targets"]) == set(all_targets())
    assert np.array_equal(pack.labels("sure"), pack.labels("wet"))
    mask = pack.target_array("flood")
    assert (mask[0][0] == 255).all()
    assert pack.target("flood")["codes"] == list(find_scheme("water").codes)
    assert pack.manifest["arrays"]["flood.mask"]["nodata"] == 255
    height = pack.target_array("height")
    assert (height[0] == -9999).all()
    assert height[5].mean() == pytest.approx(8, abs=3)
    assert pack.present("height.field").tolist() == [row > 2 for row in range(N)]
    assert pack.manifest["arrays"]["height.field"]["unit"] == "m"
    cars, paths = pack.target_array("cars"), pack.target_array("paths")
    assert isinstance(cars, RaggedArray)
    assert isinstance(paths, RaggedArray)
    assert [len(cars[row]) for row in range(4)] == [0, 1, 2, 0]
    assert cars[1][0].tolist() == list(BOX)
    assert cars.entry["columns"] == ["cx", "cy", "width", "height", "angle_deg", "class"]
    assert paths[2][:, 0].tolist() == [0, 1]
    assert np.array_equal(pack.target_array("itself")[3], pack.array("s2")[3])
    assert pack.array_names == ("s2",), "targets are no inputs"


def test_the_same_targets_give_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a", all_targets(), samples=two_labels())
    targets = {**all_targets(), "cars": TargetSpec(head="boxes", scheme="water", values=make_rows(BOX))}
    assert write(tmp_path / "b", dict(reversed(targets.items())), samples=two_labels()) == first


def change(source: TargetSource, place: tuple[int, ...], value: float) -> TargetSource:
    chunk = next(iter(source.chunks))
    if isinstance(chunk, list):
        chunk[place[0]][place[1:]] = value
    else:
        chunk[place] = value
    return TargetSource(**{**source.__dict__, "chunks": [chunk]})


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (TargetSpec(head="mask", scheme="water", values=change(make_mask(), (7, 1, 1), 2)), "sample s07: codes 0 to 2"),
        (TargetSpec(head="mask", values=make_mask(dtype="float32")), "dtype of kind 'ui'"),
        (TargetSpec(head="mask", values=make_mask(dims=("x", "y"))), "dims y, x or time, y, x"),
        (TargetSpec(head="field", values=change(make_field(), (4, 0, 0, 0), np.nan)), "s04 holds NaN"),
        (TargetSpec(head="boxes", values=make_rows((*BOX, 1.0))), "columns cx,cy,width"),
        (TargetSpec(head="boxes", values=change(make_rows(BOX), (1, 0, 2), 0)), "sample s01: a box without width"),
        (TargetSpec(head="boxes", values=change(make_rows(BOX), (1, 0, 4), 400)), "angle of 400 degrees"),
        (
            TargetSpec(head="boxes", values=change(make_rows(BOX), (2, 1, 5), 0.5)),
            "sample s02: a class that is no whole",
        ),
        (TargetSpec(head="boxes", scheme="water", values=change(make_rows(BOX), (2, 1, 5), 2)), "from 0 to 1"),
        (TargetSpec(head="tracks", values=change(make_rows(TRACK), (2, 1, 0), 0)), "one track twice in one frame"),
        (TargetSpec(head="tracks", values=change(make_rows(TRACK), (2, 0, 1), -1)), "no whole number from 0"),
        (TargetSpec(head="embedding", values=make_mask()), "takes no values. Known: mask, field, boxes, tracks"),
        (TargetSpec(head="field", array="s3"), "names array 's3'; the pack has s2"),
        (TargetSpec(head="classes", scheme="water", label="third"), "no column third"),
        (TargetSpec(head="mask", values=make_mask(present=np.zeros(N, dtype=bool))), "no sample has it"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_and_leaves_nothing(
    tmp_path: Path, spec: TargetSpec, reason: str
) -> None:
    with pytest.raises(PackError, match=reason):
        write(tmp_path / "p", {"t": spec})
    assert list(tmp_path.iterdir()) == []


def test_a_target_without_values_says_so(tmp_path: Path) -> None:
    write(tmp_path / "p", {"wet": TargetSpec(head="classes", scheme="water")})
    with pytest.raises(PackError, match="head 'classes' has no array of values"):
        Pack.open(tmp_path / "p").target_array()
