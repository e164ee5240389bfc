"""Cutting beside decoding: python -m tests.benchmarks.cutting [--quick] [--folder PLACE]

All 32 x 32 patches of a GeoTIFF of 10980 x 10980 pixels, ten uint16 bands, zstd in blocks of 512 (smooth noise),
handed to a consumer in the source's dtype; beside reading every block once and doing nothing, with the library's own
settings and with a block cache as small as ours. The same into a pack with its sums; 1 % of the cells beside sorted
windows; four scenes in two zones, half of them reprojected, by one and by two processes. CPU seconds of one thread,
planning included, the best of three turns in processes of their own that have done the same once on a tiny file; the
file is in the page cache.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import rasterio
from pyproj import Transformer
from rasterio.env import set_gdal_config
from rasterio.transform import Affine
from rasterio.windows import Window

from fusion.cutting.cutter import cut
from fusion.cutting.files import write_chunk
from fusion.cutting.planning import plan
from fusion.cutting.scene import Chunk, Scene
from fusion.grid import Cell
from fusion.pack import ArraySource, write_pack
from fusion.source import RasterFile

BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
PIXELS, BLOCK = 32, 512
WEST, NORTH = 600_000, 5_300_160  # on the grid, so that plain windows are the same patches
SMALL_CACHE = 2 * BLOCK * BLOCK * 20
TURNS = 3
RANDOM = 1_000  # patches read in random order: it takes 15 ms for each

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,000 pixels a side, for a look")
    parser.add_argument("--folder", type=Path, help="where the files are made (5 GB); a temporary folder otherwise")
    parser.add_argument("--measure", nargs=3, metavar=("WHAT", "FILE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, path, folder = options.measure
        print(json.dumps(measure_here(what, Path(path), Path(folder))))
        return
    with tempfile.TemporaryDirectory(prefix="geoquorum-cutting-", dir=options.folder) as folder:
        print(json.dumps(compare(Path(folder), 2_000 if options.quick else 10_980, 768 if options.quick else 3_072)))


def compare(folder: Path, side: int, scene_side: int) -> Row:
    """The benchmark's last line."""
    found: dict[str, dict[str, Row]] = {}
    for interleave in ("pixel", "band"):
        path = make_file(folder / f"{interleave}.tif", side, interleave=interleave)
        ratio = side * side * 20 / path.stat().st_size
        say(f"{interleave}: {path.stat().st_size >> 20} MiB, {ratio:.2f} to 1")
        dense = ("ours", "decode_once", "decode_once_small_cache")
        sparse = ("pack", "sparse", "sparse_sorted", "sorted_windows", "random_windows")
        names = (*dense, *sparse) if interleave == "pixel" else dense
        found[interleave] = {name: best(name, path, folder) for name in names}
        path.unlink()
    rate = {name: row["patches"] / row["cpu_s"] for name, row in found["pixel"].items()}
    band = {name: row["patches"] / row["cpu_s"] for name, row in found["band"].items()}
    seconds = time_workers(folder, scene_side)
    return {
        "benchmark": "cutting",
        "unit": "patches per CPU second",
        "ours": round(rate["ours"]),
        "against": {
            "decode_once": round(rate["decode_once"]),
            "decode_once_small_cache": round(rate["decode_once_small_cache"]),
            "rasterio_sorted": round(rate["sorted_windows"]),
            "rasterio_random": round(rate["random_windows"]),
        },
        "ratio": {
            "decode_once": round(rate["ours"] / rate["decode_once"], 3),
            "decode_once_small_cache": round(rate["ours"] / rate["decode_once_small_cache"], 3),
            "decode_once_with_pack_and_sums": round(rate["pack"] / rate["decode_once"], 3),
            "sorted_windows_sparse": round(rate["sparse"] / rate["sparse_sorted"], 3),
            "two_workers": round(seconds["one"] / seconds["two"], 3),
        },
        "also": {
            "side_px": side,
            "compression": round(ratio, 2),
            "rates": {"interleaved_by_pixel": round_all(rate), "interleaved_by_band": round_all(band)},
            "ratio_by_band": {name: round(band["ours"] / band[name], 3) for name in band if name != "ours"},
            "peak_mb": {name: row["peak_mb"] for name, row in found["pixel"].items()},
            "stated_mb": found["pixel"]["ours"]["stated_mb"],
            "workers": {"scenes_px": scene_side, "wall_s": seconds},
        },
    }


def best(what: str, path: Path, folder: Path) -> Row:
    """The turn that took the least CPU; each in a process of its own, the file read into the page cache before it."""
    turns = 1 if what.endswith("windows") else TURNS
    command = [sys.executable, "-m", "tests.benchmarks.cutting", "--measure", what, str(path), str(folder)]
    rows = []
    for _ in range(turns):
        with path.open("rb") as file:
            while file.read(2**24):
                pass
        said = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | THREADS).stdout
        rows.append(json.loads(said.splitlines()[-1]))
    row: Row = min(rows, key=lambda row: row["cpu_s"])
    say(f"{path.stem} {what}: {row['patches'] / row['cpu_s']:.0f}/s, {row['cpu_s']:.2f} s, {row['peak_mb']} MB")
    return row


THREADS = {"OMP_NUM_THREADS": "1", "GDAL_NUM_THREADS": "1"}


def measure_here(what: str, path: Path, folder: Path) -> Row:
    """Patches, CPU seconds and peak memory of one way, in this process."""
    tiny = make_file(folder / f"tiny{os.getpid()}.tif", 64)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        prepare(what, tiny, Path(place) / "tiny")()
        work = prepare(what, path, Path(place) / "pack")
        start = time.process_time()
        patches = work()
        seconds = time.process_time() - start
    tiny.unlink()
    stated = max(chunk.memory_bytes for chunk in plan_file(path, list_cells(path))) >> 20 if what == "ours" else None
    return {"patches": patches, "cpu_s": seconds, "peak_mb": find_peak_mb(), "stated_mb": stated}


def prepare(what: str, path: Path, folder: Path) -> Callable[[], int]:
    """The work by name, with what it is asked for at hand."""
    cells = draw_cells(path) if what.startswith("sparse") else list_cells(path)
    windows = sort_windows(cells)
    work: dict[str, Callable[[], int]] = {
        "ours": lambda: consume(path, cells),
        "pack": lambda: write(path, cells, folder),
        "sparse": lambda: consume(path, cells),
        "sparse_sorted": lambda: read_windows(path, windows),
        "sorted_windows": lambda: read_windows(path, windows[: 20 * RANDOM]),
        "random_windows": lambda: read_windows(path, shuffle(windows)[:RANDOM]),
        "decode_once": lambda: decode(path),
        "decode_once_small_cache": lambda: decode(path, SMALL_CACHE),
    }
    return work[what]


def find_peak_mb() -> int:
    """Most memory that this process has had; the system's own figure is the parent's where that had more."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def consume(path: Path, cells: list[Cell]) -> int:
    """Ours: every batch is taken and let go."""
    return sum(len(batch) for chunk in plan_file(path, cells) for batch in cut(chunk))


def write(path: Path, cells: list[Cell], folder: Path) -> int:
    """Ours into a pack in reading order, with the sum of every file, without band statistics."""
    chunks = plan_file(path, cells)
    ids = [name for chunk in chunks for name in chunk.ids]
    array = ArraySource(
        modality="sentinel2",
        dims=("band", "y", "x"),
        dtype="uint16",
        bands=BANDS,
        shape=(len(BANDS), PIXELS, PIXELS),
        chunks=(batch.values for chunk in chunks for batch in cut(chunk)),
    )
    write_pack(
        folder,
        name="cutting",
        number=1,
        samples=pa.table({"id": ids, "split": [""] * len(ids)}),
        arrays={"sentinel2": array},
        targets={},
        provenance={},
        seed=0,
    )
    return len(ids)


def plan_file(path: Path, cells: list[Cell]) -> tuple[Chunk, ...]:
    scene = Scene(name=path.stem, files=(RasterFile(path=path, bands=BANDS, nodata=0.0),), bands=BANDS)
    return plan([(scene, cells)])


def decode(path: Path, cache_bytes: int | None = None) -> int:
    """Every block once by the library, and nothing done with it."""
    if cache_bytes:
        set_gdal_config("GDAL_CACHEMAX", cache_bytes)
    with rasterio.open(path) as dataset:
        for _, window in dataset.block_windows(1):
            dataset.read(window=window)
        return (dataset.width // PIXELS) * (dataset.height // PIXELS)


def read_windows(path: Path, windows: Sequence[tuple[int, int]]) -> int:
    """Plain windows of an open file, one after the other."""
    with rasterio.open(path) as dataset:
        for row, column in windows:
            dataset.read(window=Window(column, row, PIXELS, PIXELS))
    return len(windows)


def list_cells(path: Path) -> list[Cell]:
    """Every cell that lies wholly in a file on the grid of zone 32, row by row."""
    with rasterio.open(path) as dataset:
        count = dataset.width // PIXELS
    column, row = WEST // 320, NORTH // 320 - 1
    return [
        Cell(zone=32, north=True, size_m=320, column=column + east, row=row - south)
        for south in range(count)
        for east in range(count)
    ]


def draw_cells(path: Path) -> list[Cell]:
    """1 % of the cells, at random and in random order."""
    cells = list_cells(path)
    chosen = np.random.default_rng(0).choice(len(cells), max(1, len(cells) // 100), replace=False)
    return [cells[place] for place in chosen]


def sort_windows(cells: list[Cell]) -> list[tuple[int, int]]:
    """Row and column of the first pixel of each, from the north-west."""
    return sorted(((NORTH - cell.bounds[3]) // 10, (cell.bounds[0] - WEST) // 10) for cell in cells)


def shuffle(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [windows[place] for place in np.random.default_rng(1).permutation(len(windows))]


def time_workers(folder: Path, side: int) -> dict[str, float]:
    """Wall seconds, best of three, of one and of two processes that cut four scenes into chunk files."""
    entries = [chunk.to_json() for chunk in plan_scenes(folder, side)]
    seconds = {}
    for name, count in (("one", 1), ("two", 2)):
        with multiprocessing.get_context("spawn").Pool(count) as pool:
            pool.map(warm_up, range(4 * count), chunksize=1)
            seconds[name] = round(min(time_pool(pool, entries, folder) for _ in range(TURNS)), 2)
        say(f"{name}: {seconds[name]} s")
    return seconds


def time_pool(pool: Any, entries: list[Row], folder: Path) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        start = time.perf_counter()
        for _ in pool.imap_unordered(write_entry, [(entry, place) for entry in entries]):
            pass
        return time.perf_counter() - start


def warm_up(_: int) -> None:
    time.sleep(0.2)


def write_entry(work: tuple[Row, str]) -> None:
    write_chunk(Chunk.from_json(work[0]), Path(work[1]))


def plan_scenes(folder: Path, side: int) -> tuple[Chunk, ...]:
    """Two scenes on the grid of zone 32 and two of zone 33 over its edge, cut in the cells of zone 32."""
    wanted = []
    for number in range(4):
        zone = 32 + number % 2
        path = make_file(folder / f"scene{number}.tif", side, epsg=32600 + zone, west=WEST if zone == 32 else 250_000)
        scene = Scene(name=path.stem, files=(RasterFile(path=path, bands=BANDS, nodata=0.0),), bands=BANDS)
        wanted.append((scene, list_cells(path) if zone == 32 else list(list_inner_cells(side))))
    return plan(wanted, chunk_bytes=2**25)


def list_inner_cells(side: int) -> Iterator[Cell]:
    """Cells of zone 32 in the middle of a scene of zone 33, three quarters of its sides."""
    centre = 250_000 + side * 5, NORTH - side * 5
    x, y = Transformer.from_crs(32633, 32632, always_xy=True).transform(*centre)
    half = side * 3 // (PIXELS * 8)
    for row in range(int(y // 320) - half, int(y // 320) + half):
        for column in range(int(x // 320) - half, int(x // 320) + half):
            yield Cell(zone=32, north=True, size_m=320, column=column, row=row)


def make_file(path: Path, side: int, *, interleave: str = "pixel", epsg: int = 32632, west: int = WEST) -> Path:
    """Reflectances that change over kilometres, with a texture of 40 numbers: zstd packs them about 1.5 to 1."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(2000, 600, (len(BANDS), side // 64 + 3, side // 64 + 3)).astype(np.float32)
    texture = rng.normal(0, 40, (2 * BLOCK, side + 4 * BLOCK)).astype(np.float32)
    settings: Row = {
        "driver": "GTiff", "width": side, "height": side, "count": len(BANDS), "dtype": "uint16", "nodata": 0,
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "zstd", "zstd_level": 1, "predictor": 2,
        "interleave": interleave, "crs": f"EPSG:{epsg}", "transform": Affine(10, 0, west, 0, -10, NORTH),
    }  # fmt: skip
    columns = np.arange(side, dtype=np.float32) / 64
    with rasterio.open(path, "w", **settings) as dataset:
        for top in range(0, side, BLOCK):
            height = min(BLOCK, side - top)
            rows = (np.arange(top, top + height, dtype=np.float32)) / 64
            stripe = np.empty((len(BANDS), height, side), np.uint16)
            for band, level in enumerate(coarse):
                down, across = rng.integers(BLOCK), rng.integers(4 * BLOCK)
                smooth = interpolate(interpolate(level, rows).T, columns).T
                stripe[band] = np.clip(smooth + texture[down : down + height, across : across + side], 1, 65535)
            dataset.write(stripe, window=Window(0, top, side, height))
    return path


def interpolate(table: Any, places: Any) -> Any:
    """Lines between the rows of a table."""
    first = places.astype(int)
    share = (places - first)[:, np.newaxis]
    return table[first] * (1 - share) + table[first + 1] * share


def round_all(rates: dict[str, float]) -> dict[str, int]:
    return {name: round(rate) for name, rate in rates.items()}


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
