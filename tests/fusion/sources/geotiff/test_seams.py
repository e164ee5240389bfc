"""Boxes over borders of blocks: the file's numbers in any order of units, no pixel read twice in reading order."""

import numpy as np
import pytest

from fusion.cutting.layout import Layout
from fusion.sources.geotiff.reading import Mask, Stored
from fusion.sources.geotiff.seams import Seams
from fusion.sources.geotiff.warping import PixelBox

SIDE = 32
LAYOUT = Layout(
    width=1300, height=1200, epsg=32632, crs="EPSG:32632", transform=(10, 0, 0, 0, -10, 0), block_width=512,
    block_height=256, pixel_bytes=4, dtype="uint16",
)  # fmt: skip
ARRAY = np.random.default_rng(0).integers(1, 9000, (2, 1200, 1300)).astype("uint16")


class Reader:
    """Reads out of ARRAY as out of a file, and counts pixels."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, target: Stored, left: int, top: int) -> Mask | None:
        height, width = target.shape[1:]
        rows, columns = np.arange(top, top + height), np.arange(left, left + width)
        down, across = (rows >= 0) & (rows < 1200), (columns >= 0) & (columns < 1300)
        target[...] = 0
        target[np.ix_(np.ones(2, bool), down, across)] = ARRAY[:, rows[down]][:, :, columns[across]]
        self.count += int(down.sum() * across.sum())
        known: Mask = np.outer(down, across)
        return None if known.all() else known


def list_boxes(phase_x: int, phase_y: int) -> list[PixelBox]:
    """The cells that end in each unit of 512 x 512 pixels, joined, in reading order."""
    boxes = []
    for rows in split(phase_y, 1200):
        boxes += [
            PixelBox(left=columns[0], top=rows[0], width=columns[1] - columns[0], height=rows[1] - rows[0])
            for columns in split(phase_x, 1300)
        ]
    return boxes


def split(phase: int, length: int) -> list[tuple[int, int]]:
    """First and last edge of the cells that end in each unit."""
    starts = np.arange(phase, length, SIDE)
    units = np.clip(starts + SIDE - 1, 0, length - 1) // 512
    return [(int(starts[units == unit][0]), int(starts[units == unit][-1]) + SIDE) for unit in np.unique(units)]


def cut_plainly(box: PixelBox) -> np.ndarray:
    padded = np.pad(ARRAY, ((0, 0), (100, 100), (100, 100)))
    return padded[:, box.top + 100 : box.top + box.height + 100, box.left + 100 : box.left + box.width + 100]


@pytest.mark.parametrize("phase", [(0, 0), (-11, -5), (-31, 0), (0, -1)])
def test_in_reading_order_every_pixel_is_read_once(phase: tuple[int, int]) -> None:
    reader = Reader()
    seams = Seams(LAYOUT, 2, SIDE, reader)
    for box in list_boxes(*phase):
        found = seams.read(box)
        assert found is not None
        np.testing.assert_array_equal(found[0], cut_plainly(box))
        known = np.ones(found[0].shape[1:], bool) if found[1] is None else found[1]
        np.testing.assert_array_equal(known, cut_plainly(box)[0] > 0)
    assert reader.count == 1200 * 1300


def test_units_that_are_left_out_are_read_where_they_are_needed() -> None:
    boxes = list_boxes(-11, -5)
    rng = np.random.default_rng(2)
    for _ in range(30):
        seams = Seams(LAYOUT, 2, SIDE, Reader())
        for box in (box for box in boxes if rng.random() < 0.6):
            found = seams.read(box)
            assert found is not None
            np.testing.assert_array_equal(found[0], cut_plainly(box))


def test_a_small_or_far_box_is_left_to_others() -> None:
    seams = Seams(LAYOUT, 2, SIDE, Reader())
    assert seams.read(PixelBox(left=600, top=600, width=64, height=64)) is None
    assert seams.read(PixelBox(left=-400, top=0, width=900, height=500)) is None
