"""What packing does to a value, by dtype: nothing where it is stored as it came, and how much elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import Window

from fusion import modality as modalities
from fusion.cutting.cutter import cut
from fusion.cutting.planning import plan
from fusion.cutting.scene import Scene
from fusion.modality import Modality
from fusion.pack import Pack
from fusion.source import RasterFile
from fusion.sources.geotiff import write_cog
from tests.benchmarks.cutting import NORTH, PIXELS
from tests.benchmarks.packed_cities import SENSORS, find_scene, find_west, list_cells, render

Row = dict[str, Any]
Array = npt.NDArray[Any]


def quantise(cities: int, cells: int, folder: Path) -> Row:
    """What packing does to a value, by dtype: nothing where it is stored as it came, and how much elsewhere."""
    return {
        "as_it_came": {name: compare_with_scene(name, cities, cells, folder) for name in SENSORS},
        "resampled": resample(folder),
        "converted": {name: row for name, kind in modalities.load_all().items() if (row := convert(kind)) is not None},
    }


def compare_with_scene(sensor: str, cities: int, cells: int, folder: Path) -> Row:
    """Patches drawn from every city of the pack beside the windows of their scenes: the largest difference."""
    pack, worst, rng = Pack.open(folder / "pack"), 0.0, np.random.default_rng(0)
    array, places = pack.array(sensor), {name: row for row, name in enumerate(pack.samples["id"].to_pylist())}
    drawn = min(200, cells**2)
    for city in range(cities):
        of_city = list_cells(city, cells)
        with rasterio.open(find_scene(folder, sensor, city)) as scene:
            for place in rng.choice(cells**2, drawn, replace=False).tolist():
                row, column = divmod(place, cells)
                there = scene.read(window=Window(column * PIXELS, row * PIXELS, PIXELS, PIXELS))
                here = array[places[of_city[place].id]]
                assert here.dtype == there.dtype
                worst = max(worst, float(np.abs(here.astype(np.float64) - there).max()))
    return {"dtype": str(array.dtype), "patches": drawn * cities, "max": worst}


def resample(folder: Path) -> Row:
    """Sentinel-2 half a pixel off the grid: cut as it is, and cut from the same numbers in float64 without rounding."""
    side, bands = 8 * PIXELS, modalities.find("sentinel2").band_names
    values = render("sentinel2", 99, side)
    cells = list_cells(0, 8)[9:11]
    cut_as: dict[str, Array] = {}
    for dtype in ("uint16", "float64"):
        path = folder / f"shifted-{dtype}.tif"
        place = (10, 0, find_west(0, 8) + 5, 0, -10, NORTH - 5)
        write_cog(path, values.astype(dtype), epsg=32632, transform=place, nodata=0, band_names=bands)
        file = RasterFile(path=path, bands=bands, nodata=0.0)
        chunks = plan([(Scene(name=path.stem, files=(file,), bands=bands), cells)])
        cut_as[dtype] = np.concatenate([batch.values for chunk in chunks for batch in cut(chunk)]).astype(np.float64)
    return {
        "dtype": "uint16",
        "unit": "1 of 10,000 of reflectance",
        **measure_error(cut_as["uint16"], cut_as["float64"]),
    }


def convert(kind: Modality) -> Row | None:
    """Physical values in float64 stored in the modality's dtype and taken back: what a source that is finer loses."""
    low, high = kind.valid_range
    if (
        kind.kind == "text"
        or (kind.classes and kind.kind == "raster")
        or (kind.scale == 1 and np.dtype(kind.dtype).kind in "iu")
    ):
        return None  # codes, counts and bytes are whole numbers already
    rng, is_whole = np.random.default_rng(0), np.dtype(kind.dtype).kind in "iu"
    if kind.kind == "points":
        low, high = 0.0, 1_000.0  # metres from the corner of the sample
    if is_whole:  # within what the dtype reaches: what is beyond is cut off, which no rounding is
        limits = np.iinfo(kind.dtype)
        low = max(low, (limits.min + kind.offset) * kind.scale)
        high = min(high, (limits.max + kind.offset) * kind.scale)
    is_bounded = np.isfinite([low, high]).all() and high < 1e6
    exact = rng.uniform(low, high, 100_000) if is_bounded else rng.normal(0, 1, 100_000)
    if np.dtype(kind.dtype).kind == "c":
        exact = exact + 1j * rng.normal(0, 1, 100_000)
    stored = exact / kind.scale - kind.offset
    stored = np.rint(stored) if is_whole else stored
    back = (stored.astype(kind.dtype).astype(exact.dtype) + kind.offset) * kind.scale
    given = "complex128" if np.iscomplexobj(exact) else "float64"
    drawn = [float(f"{end:.6g}") for end in (np.abs(exact).min(), np.abs(exact).max())]
    return {"from": given, "to": kind.dtype, "sizes_drawn": drawn, **measure_error(back, exact)}


def measure_error(found: Array, exact: Array) -> Row:
    off = np.abs(found - exact)
    return {"max": float(f"{off.max():.3g}"), "rms": float(f"{np.sqrt((off**2).mean()):.3g}")}
