"""Targets of every head go from a snapshot through the pack into a batch as they are stored, and turn with it."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from annotation import snapshot
from fusion.engine.dataset import Reader
from fusion.engine.symmetries import turn
from fusion.engine.targets import BOX_TURNS, DenseRows, TargetRows, open_targets, turn_boxes, turn_tracks
from fusion.errors import SpecError
from fusion.pack import Pack, TargetSource, TargetSpec, write_pack
from fusion.pack_target import FORMS
from tests.fusion.pack_parts import N, make_source, make_table

CPU = torch.device("cpu")
ROWS = np.array([7, 2, 2, 0, 11])
SIDE = 6


def make_mask() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (N, SIDE, SIDE)).astype(np.uint8)


def make_heights() -> np.ndarray:
    return np.random.default_rng(1).normal(8, 3, (N, 1, SIDE, SIDE)).astype(np.float16)


def make_boxes() -> list[np.ndarray]:
    """None, one or two boxes in turn."""
    whole = np.array([[2.0, 3.0, 2.0, 1.0, 0.0, 1.0], [4.0, 2.0, 1.0, 3.0, 15.0, 0.0]], dtype=np.float32)
    return [whole[: row % 3] for row in range(N)]


def make_tracks() -> list[np.ndarray]:
    return [np.array([[0, 1, 2, 3, 2, 1, 0]], dtype=np.float64) for _ in range(N)]


def targets() -> dict[str, TargetSpec]:
    """One of every head, and a second one of classes."""
    six, seven = (None, 6), (None, 7)
    return {
        "wet": TargetSpec(head="classes", scheme="water"),
        "sure": TargetSpec(head="classes", scheme="water", label="second", distribution="shares"),
        "flood": TargetSpec(
            head="mask",
            scheme="water",
            values=TargetSource(dims=("y", "x"), dtype="uint8", shape=(SIDE, SIDE), chunks=[make_mask()], nodata=255),
        ),
        "height": TargetSpec(
            head="field",
            values=TargetSource(
                dims=("band", "y", "x"), dtype="float16", shape=(1, SIDE, SIDE), chunks=[make_heights()], unit="m",
                present=np.arange(N) != 2,
            ),
        ),
        "cars": TargetSpec(
            head="boxes",
            scheme="water",
            values=TargetSource(dims=("box", "column"), dtype="float32", shape=six, chunks=[make_boxes()]),
        ),
        "paths": TargetSpec(
            head="tracks",
            values=TargetSource(dims=("box", "column"), dtype="float64", shape=seven, chunks=[make_tracks()]),
        ),
        "levels": TargetSpec(head="field", array="s2"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """A release of twelve samples, written by a snapshot as the platform writes it."""
    folder = tmp_path_factory.mktemp("targets") / "pack"
    values = np.random.default_rng(2).integers(1, 9000, (N, 10, SIDE, SIDE)).astype(np.uint16)
    table = make_table()
    table = table.append_column("second", table["label"]).append_column("shares", table["distribution"])
    reader = snapshot.ArrayReader(
        modality="sentinel2",
        dims=("band", "y", "x"),
        dtype="uint16",
        bands=("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),
        shape=values.shape[1:],
        read=values.__getitem__,
    )
    frozen = snapshot.freeze(table, arrays={"s2": reader}, targets=targets(), provenance={})
    frozen.write(folder, name="targets", number=1, seed=0)
    return Pack.open(folder, verify=True)


def read(pack: Pack, symmetries: np.ndarray | None = None) -> dict[str, dict[str, TargetRows]]:
    nothing = DenseRows(values=np.zeros((len(pack), 1), dtype=np.float32), truth={})
    reader = Reader(
        arrays={"s2": pack.array("s2")}, target=nothing, truth=nothing, device=CPU, targets=open_targets(pack)
    )
    return reader.read(ROWS, symmetries).targets


def test_every_head_is_handed_over_as_it_is_stored(pack: Pack) -> None:
    found = read(pack)
    assert {name: set(parts) for name, parts in found.items()} == {
        "wet": {"label", "distribution"},
        "sure": {"label", "distribution"},
        "flood": {"mask"},
        "height": {"field"},
        "cars": {"boxes"},
        "paths": {"tracks"},
        "levels": {"field"},
    }
    dtypes = {f"{name}.{part}": str(rows.values.dtype) for name, parts in found.items() for part, rows in parts.items()}
    assert dtypes == {
        "wet.label": "torch.int16",
        "wet.distribution": "torch.float32",
        "sure.label": "torch.int16",
        "sure.distribution": "torch.float32",
        "flood.mask": "torch.uint8",
        "height.field": "torch.float16",
        "cars.boxes": "torch.float32",
        "paths.tracks": "torch.float64",
        "levels.field": "torch.uint16",
    }
    assert np.array_equal(found["wet"]["label"].values.numpy(), pack.labels("wet")[ROWS])
    assert np.array_equal(found["flood"]["mask"].values.numpy(), make_mask()[ROWS])
    assert np.array_equal(found["height"]["field"].values.numpy()[0], make_heights()[7])
    assert found["height"]["field"].present.tolist() == [True, False, False, True, True]
    assert np.array_equal(found["levels"]["field"].values.numpy(), pack.array("s2").gather(ROWS))
    assert len(found["paths"]["tracks"]) == len(ROWS)


def test_boxes_of_a_batch_lie_one_sample_behind_the_other(pack: Pack) -> None:
    cars = read(pack)["cars"]["boxes"]
    assert cars.offsets is not None
    assert cars.offsets.tolist() == [0, 1, 3, 5, 5, 7]
    for place, row in enumerate(ROWS.tolist()):
        here = cars.values[cars.offsets[place] : cars.offsets[place + 1]]
        assert np.array_equal(here.numpy(), make_boxes()[row])


def test_a_target_of_a_sample_is_a_view_of_the_file(pack: Pack) -> None:
    for name in ("flood", "height", "cars", "paths"):
        sample = pack.target_array(name)[7]
        assert not sample.flags.owndata
        assert not sample.flags.writeable


def test_a_batch_of_a_mask_is_copied_once(tmp_path: Path) -> None:
    side = 512
    masks = np.ones((N, side, side), dtype=np.uint8)
    source = TargetSource(dims=("y", "x"), dtype="uint8", shape=(side, side), chunks=[masks])
    arrays = {"s2": make_source("sentinel2", [np.full((10, 4, 4), 900, np.uint16)] * N)}
    spec = {"m": TargetSpec(head="mask", values=source)}
    write_pack(
        tmp_path / "p", name="m", number=1, samples=make_table(), arrays=arrays, targets=spec, provenance={}, seed=0
    )
    [target] = open_targets(Pack.open(tmp_path / "p"))["m"].values()
    tracemalloc.start()
    found = target.read(np.arange(N), CPU)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.values.dtype == torch.uint8
    assert masks.nbytes <= peak < 1.1 * masks.nbytes


def test_masks_and_fields_turn_with_the_inputs(pack: Pack) -> None:
    symmetries = np.array([5, 1, 2, 7, 0])
    found = read(pack, symmetries)
    for name, part in (("flood", "mask"), ("levels", "field")):
        stored = pack.target_array(name).gather(ROWS)
        assert isinstance(stored, np.ndarray)
        assert np.array_equal(found[name][part].values.numpy(), turn(stored, symmetries))
    assert np.array_equal(found["wet"]["distribution"].values.numpy(), pack.distribution("wet")[ROWS])


def paint(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels whose middle lies in the box."""
    cx, cy, width, height, angle = box[:5]
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    along, across = (x - cx) * cos + (y - cy) * sin, (y - cy) * cos - (x - cx) * sin
    return (np.abs(along) <= width / 2) & (np.abs(across) <= height / 2)


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("angle", [0.0, 27.3, -91.0, 180.0])
def test_a_box_covers_the_same_pixels_after_every_symmetry(number: int, angle: float) -> None:
    size = (40, 60) if number < 4 else (60, 60)
    box = np.array([[21.3, 17.1, 18.2, 7.4, angle, 3.0]], dtype=np.float64)
    symmetries = np.array([number])
    turned = turn_boxes(box, symmetries, size)
    expected = turn(paint(box[0], size)[None], symmetries)[0]
    assert expected.sum() > 100
    assert np.array_equal(paint(turned[0], size), expected)
    assert turned[0, 2:4].tolist() == box[0, 2:4].tolist()
    assert turned[0, 5] == 3
    assert FORMS["boxes"].check(turned, TargetSource(dims=(), dtype="f4", shape=(), chunks=[]), 0) is None


@pytest.mark.parametrize("number", range(8))
def test_a_track_covers_the_same_pixels_after_every_symmetry(number: int) -> None:
    size = (40, 60) if number < 4 else (60, 60)
    track = np.array([[3.0, 8.0, 21.3, 17.1, 18.2, 7.4, 1.0]], dtype=np.float32)
    symmetries = np.array([number])
    turned = turn_tracks(track, symmetries, size)
    assert turned.dtype == np.float32
    expected = turn(paint(np.append(track[0, 2:6], 0), size)[None], symmetries)[0]
    assert np.array_equal(paint(np.append(turned[0, 2:6], 0), size), expected)
    assert turned[0, [0, 1, 6]].tolist() == [3, 8, 1]


def test_each_box_turns_by_the_symmetry_of_its_sample(pack: Pack) -> None:
    symmetries = np.array([0, 1, 2, 3, 4])
    cars = read(pack, symmetries)["cars"]["boxes"]
    first = cars.values[1].numpy()  # of row 2, whose rows are mirrored
    assert first[1] == pytest.approx(SIDE - make_boxes()[2][0][1])
    assert cars.values[0].numpy().tolist() == make_boxes()[7][0].tolist(), "nothing was turned"


def test_every_head_with_boxes_knows_how_they_turn() -> None:
    assert set(BOX_TURNS) == {head for head, form in FORMS.items() if form.columns}


def test_an_unknown_target_is_answered_with_the_known_ones(pack: Pack) -> None:
    with pytest.raises(SpecError, match=r"no target 'lava'\. It has: cars, flood"):
        open_targets(pack, ["lava"])
