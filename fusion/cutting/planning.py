"""The plan of a cut: scenes and cells in, independent chunks out; only headers are read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from fusion.cutting.arranging import Group, Ints, Part, Zone, arrange, count_cache, find_lead, split_zones
from fusion.cutting.cost import Blocks, Cost, choose, cost_box, find_box_blocks, find_window_blocks
from fusion.cutting.layout import Layout
from fusion.cutting.scene import Chunk, Scene, name_chunk
from fusion.errors import BadInputError
from fusion.grid import Cell
from fusion.sources import geotiff

# Patches of one chunk. Where cells cross the borders of blocks, the row of blocks between two chunks is decoded twice:
# of 22 rows of a Sentinel-2 tile in chunks of eight that is 9 %.
CHUNK_BYTES = 2**30
# pixels around a square that its kernel reaches, for the estimate of what resampling decodes
REACH_PIXELS = 16


def plan(
    wanted: Sequence[tuple[Scene, Sequence[Cell]]],
    *,
    pixels: int = 32,
    resampling: str = "bilinear",
    chunk_bytes: int = CHUNK_BYTES,
) -> tuple[Chunk, ...]:
    """Chunks that together hold every cell of every scene exactly once, scene by scene in reading order.

    A patch has `pixels` x `pixels` of its cell. A chunk has whole rows of blocks and up to about `chunk_bytes` of
    patches. The same request gives the same chunks, whatever machine plans it. BadInputError names a cell that is asked
    for twice and a scene whose name is taken; what is wrong with a file is a BadRasterError.
    """
    twice = [name for name, times in Counter(scene.name for scene, _ in wanted).items() if times > 1]
    if twice:
        raise BadInputError(f"Two scenes are called {', '.join(twice)}. Give each a name of its own.")
    return tuple(
        chunk for scene, cells in wanted for chunk in _plan_scene(scene, cells, pixels, resampling, chunk_bytes)
    )


def _plan_scene(scene: Scene, cells: Sequence[Cell], pixels: int, resampling: str, chunk_bytes: int) -> Iterator[Chunk]:
    if chunk_bytes < 1:
        raise BadInputError(f"Chunks of {chunk_bytes} bytes cannot hold a patch. Leave it to the default.")
    geotiff.find_method(resampling)
    zones = split_zones(cells, pixels)
    _check_once(scene, zones)
    layouts = geotiff.describe_layouts(scene.files, scene.bands)
    lead = find_lead(layouts, zones)
    dtype = np.result_type(*(layout.dtype for layout in layouts))
    patch_bytes = len(scene.bands) * pixels**2 * dtype.itemsize
    first = 0
    for parts in _split_rows(arrange(lead, zones), chunk_bytes // patch_bytes):
        places = np.concatenate([part.places for part in parts]).tolist()
        members = tuple(cells[place] for place in places)
        yield Chunk(
            id=name_chunk(scene, _tabulate(parts), pixels, resampling),
            scene=scene,
            cells=members,
            places=tuple(places),
            pixels=pixels,
            resampling=resampling,
            dtype=str(dtype),
            first=first,
            byte_range=(first * patch_bytes, (first + len(places)) * patch_bytes),
            pixel_rows=_find_rows(lead, parts, pixels),
            cost=sum((_estimate(layout, parts) for layout in layouts), Cost()),
            memory_bytes=count_memory(layouts, parts, patch_bytes),
        )
        first += len(places)


def count_memory(layouts: Sequence[Layout], parts: Sequence[Part], patch_bytes: int) -> int:
    """Bytes that cutting takes beside the interpreter and its libraries, at most.

    Decoded blocks in the cache (see `count_cache`: two units, a row of units + 3 or three rows + 4), the unit being
    cut with a margin of a patch and a row of patches above it (four times over, in reals of up to eight bytes, where
    cells are resampled), and three batches.
    """
    pixels = parts[0].group.pixels
    total = 3 * max(BATCH_BYTES, max(len(part.places) for part in parts) * patch_bytes)
    for layout in layouts:
        height, width = layout.find_unit(pixels)
        box = (height + 2 * pixels) * (width + 2 * pixels) * layout.pixel_bytes
        depth = np.dtype(layout.dtype).itemsize
        box += pixels * layout.width * layout.pixel_bytes  # rows remembered for the units below
        aligned = all(layout.find_origin(part.group.epsg, part.group.step_m) is not None for part in parts)
        total += count_cache(layout, parts) + (box if aligned else 4 * box * max(1, 8 // depth))
    return total


BATCH_BYTES = 8 * 2**20  # of patches handed over at a time, or one unit's where that is more


def _tabulate(parts: Sequence[Part]) -> Ints:
    """As `tabulate`, from what is already in arrays."""
    codes = np.repeat([part.group.epsg for part in parts], [len(part.places) for part in parts])
    columns, rows = (np.concatenate([getattr(part.group, name) for part in parts]) for name in ("columns", "rows"))
    return np.stack([codes, np.full(len(codes), parts[0].group.size_m), columns, rows])


def _check_once(scene: Scene, zones: Sequence[Zone]) -> None:
    for _, group in zones:
        order = np.lexsort((group.columns, group.rows))
        again = (np.diff(group.columns[order]) == 0) & (np.diff(group.rows[order]) == 0)
        if again.any():
            place = order[np.argmax(again)]
            raise BadInputError(
                f"Scene {scene.name!r}: the cell of column {group.columns[place]} and row {group.rows[place]} in "
                f"EPSG:{group.epsg} is asked for twice. Ask for each once."
            )


def _split_rows(parts: list[Part], most: int) -> Iterator[list[Part]]:
    """Whole rows of units, as many as hold up to `most` cells, at least one."""
    held: list[Part] = []
    for _, run in groupby(parts, key=lambda part: (part.group.epsg, part.row)):
        row = list(run)
        if held and sum(len(part.places) for part in (*held, *row)) > most:
            yield held
            held = []
        held += row
    if held:
        yield held


def _find_rows(layout: Layout, parts: list[Part], pixels: int) -> tuple[int, int]:
    height, _ = layout.find_unit(pixels)
    rows = [part.row[1] for part in parts]
    return min(rows) * height, min((max(rows) + 1) * height, layout.height)


def _estimate(layout: Layout, parts: Sequence[Part]) -> Cost:
    """What the cells cost in one file; a block that several parts touch is decoded once."""
    total = Cost()
    blocks: Blocks = set()
    for part in parts:
        group = part.group
        origin = layout.find_origin(group.epsg, group.step_m)
        if origin is not None:
            x, y, side = group.x - origin[0], group.y - origin[1], group.pixels
            is_box, cost = choose(layout, x, y, side)
        else:
            x, y, side = _find_reach(layout, group)
            is_box, cost = True, cost_box(layout, x, y, side)
        total += cost
        blocks |= (find_box_blocks if is_box else find_window_blocks)(layout, x, y, side)
    return replace(total, blocks=len(blocks), decoded_bytes=len(blocks) * layout.block_bytes)


def _find_reach(layout: Layout, group: Group) -> tuple[Ints, Ints, int]:
    """A square of the file around all that cells and kernels reach: its first pixel and side."""
    west, south = group.columns.min() * group.size_m, group.rows.min() * group.size_m
    east, north = (group.columns.max() + 1) * group.size_m, (group.rows.max() + 1) * group.size_m
    left, top, right, bottom = layout.find_pixels((west, south, east, north), group.epsg)
    if not np.isfinite([left, top, right, bottom]).all():
        left, top, right, bottom = -1e6, -1e6, -1e6, -1e6
    side = int(max(right - left, bottom - top)) + 2 * REACH_PIXELS
    return np.array([int(left) - REACH_PIXELS]), np.array([int(top) - REACH_PIXELS]), side
