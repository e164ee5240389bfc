"""Plans: every cell exactly once, blocks decoded once where cells are dense, windows where they are sparse."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fusion.cutting.arranging import arrange, count_cache, split_zones
from fusion.cutting.cost import choose
from fusion.cutting.layout import Layout
from fusion.cutting.planning import plan
from fusion.cutting.scene import Chunk, Scene
from fusion.errors import BadInputError, BadRasterError
from fusion.grid import Cell
from tests.fusion.cutting.scenes import NAMES, NORTH_WEST, list_cells, make_noise

WEST, _, _, NORTH = NORTH_WEST.bounds
TILE = Layout(
    width=10980, height=10980, epsg=32632, crs="EPSG:32632", transform=(10, 0, WEST, 0, -10, NORTH),
    block_width=512, block_height=512, pixel_bytes=20, dtype="uint16",
)  # fmt: skip


def find_windows(cells: list[Cell]) -> tuple[np.ndarray, np.ndarray]:
    """First pixels of cells in TILE."""
    return (
        np.array([(cell.column - NORTH_WEST.column) * 32 for cell in cells]),
        np.array([(NORTH_WEST.row - cell.row) * 32 for cell in cells]),
    )


def test_a_full_block_is_read_as_a_box_and_two_cells_of_it_as_windows() -> None:
    is_box, cost = choose(TILE, *find_windows(list_cells(16)), 32)
    assert (is_box, cost.blocks, cost.calls) == (True, 1, 1)
    corners = [list_cells(16)[0], list_cells(16)[-1]]
    is_box, cost = choose(TILE, *find_windows(corners), 32)
    assert (is_box, cost.blocks, cost.calls) == (False, 1, 2)


def test_a_box_that_would_decode_more_blocks_is_not_taken() -> None:
    corners = [list_cells(40)[0], list_cells(40)[-1]]
    is_box, cost = choose(TILE, *find_windows(corners), 32)
    assert (is_box, cost.blocks) == (False, 2)


def test_every_cell_is_in_one_part_and_each_block_in_one_unit() -> None:
    cells = list_cells(50)
    parts = arrange(TILE, split_zones(cells, 32))
    assert sorted(np.concatenate([part.places for part in parts]).tolist()) == list(range(2500))
    found = [choose(TILE, part.group.x - WEST // 10, part.group.y + NORTH // 10, 32) for part in parts]
    assert all(is_box for is_box, _ in found)
    assert sum(cost.blocks for _, cost in found) == 16  # 4 x 4 blocks under 50 x 50 cells
    assert count_cache(TILE, parts) == 2 * TILE.block_bytes


def test_cells_over_borders_belong_to_the_unit_that_is_read_last() -> None:
    shifted = replace(TILE, transform=(10, 0, WEST - 110, 0, -10, NORTH + 50))
    parts = arrange(shifted, split_zones(list_cells(32), 32))
    rows = [part.row for part in parts]
    assert rows == sorted(rows)
    assert len(parts) == 9  # 16 cells of 32 pixels behind 11 more do not fit into 512
    assert count_cache(shifted, parts) == (22 + 3) * TILE.block_bytes


def test_a_block_under_several_parts_is_counted_once(make_scene: Callable[..., Scene]) -> None:
    array = make_noise(640)
    across = plan([(make_scene(array, name="across", east_px=-11, south_px=-5), list_cells(19))])
    assert sum(chunk.cost.blocks for chunk in across) == 25
    lone = plan([(make_scene(array, name="lone", east_px=-11), [list_cells(19)[0], list_cells(19)[-1]])])
    assert [(chunk.cost.blocks, chunk.cost.calls) for chunk in lone] == [(2, 2)]


def test_a_raster_too_wide_for_the_cache_is_read_in_panels() -> None:
    many = replace(TILE, pixel_bytes=448)
    rows = [part.row for part in arrange(many, split_zones(list_cells(100), 32))]
    assert rows == sorted(rows)
    assert {panel for panel, _ in rows} == {0, 1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("block", [(1, 10980), (16, 10980), (64, 64), (4096, 4096)])
def test_units_are_whole_blocks_and_hold_a_patch(block: tuple[int, int]) -> None:
    height, width = replace(TILE, block_height=block[0], block_width=block[1]).find_unit(96)
    assert height % block[0] == width % block[1] == 0
    assert min(height, width) >= 96


def test_chunks_hold_every_cell_once_and_their_bytes_follow_each_other(make_scene: Callable[..., Scene]) -> None:
    scene, cells = make_scene(make_noise(1100, bands=1)), list_cells(34)
    chunks = plan([(scene, cells)], chunk_bytes=500 * 2048)
    assert len(chunks) == 3
    assert sorted(place for chunk in chunks for place in chunk.places) == list(range(34 * 34))
    for chunk in chunks:
        assert [cells[place] for place in chunk.places] == list(chunk.cells)
    assert [first.byte_range[1] for first in chunks[:-1]] == [second.byte_range[0] for second in chunks[1:]]
    assert chunks[-1].byte_range[1] == 34 * 34 * 2048
    assert all(upper.pixel_rows[1] == lower.pixel_rows[0] for upper, lower in pairwise(chunks))


def test_a_chunk_travels_as_json_and_an_altered_one_is_refused(make_scene: Callable[..., Scene]) -> None:
    chunk = plan([(make_scene(make_noise(64)), list_cells(2))])[0]
    text = json.dumps(chunk.to_json())
    assert Chunk.from_json(json.loads(text)) == chunk
    entry = json.loads(text)
    entry["cells"].reverse()
    with pytest.raises(BadInputError, match="does not hold"):
        Chunk.from_json(entry)
    with pytest.raises(BadInputError, match="Plan again"):
        Chunk.from_json({**json.loads(text), "version": 0})


def test_a_chunk_s_name_follows_content_not_place(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(make_noise(64))
    known = replace(scene, sha256=("ab" * 32,))
    first = plan([(known, list_cells(2))])[0]
    there = scene.files[0].path
    elsewhere = replace(scene.files[0], path=there.rename(there.with_name("b.tif")))
    assert plan([(replace(known, name="b", files=(elsewhere,)), list_cells(2))])[0].id == first.id
    other = replace(known, files=(elsewhere,), sha256=("cd" * 32,))
    assert plan([(other, list_cells(2))])[0].id != first.id
    assert plan([(replace(known, files=(elsewhere,)), list_cells(2))], resampling="cubic")[0].id != first.id


def test_what_cannot_be_planned_is_said(make_scene: Callable[..., Scene]) -> None:
    scene, cells = make_scene(make_noise(64)), list_cells(2)
    with pytest.raises(BadInputError, match="asked for twice"):
        plan([(scene, [*cells, cells[0]])])
    with pytest.raises(BadInputError, match="one size at a time"):
        plan([(scene, [*cells, replace(cells[0], size_m=640)])])
    with pytest.raises(BadInputError, match="Two scenes are called a"):
        plan([(scene, cells), (scene, cells)])
    with pytest.raises(BadInputError, match="at least one of each"):
        plan([(scene, [])])
    with pytest.raises(BadInputError, match="bilinear"):
        plan([(scene, cells)], resampling="smooth")
    with pytest.raises(BadRasterError, match=r"no band B9. There are B2, B3, B4"):
        plan([(replace(scene, bands=(*NAMES, "B9")), cells)])
