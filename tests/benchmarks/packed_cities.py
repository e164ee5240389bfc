"""Made-up cities for the benchmark of packing: 100 x 100 cells, each city with a scene of either Sentinel."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion import modality as modalities
from fusion.cutting.scene import Scene
from fusion.grid import Cell
from fusion.source import RasterFile
from fusion.sources.geotiff import write_cog
from tests.benchmarks.cutting import NORTH, PIXELS, interpolate

Row = dict[str, Any]
Array = npt.NDArray[Any]
SENSORS = ("sentinel1", "sentinel2")
COLUMN = 1_000  # of the first city's western cells; the next city lies half a city's width beside it


def write_scenes(cities: int, cells: int, folder: Path) -> Row:
    """Both scenes of every city; not part of what is measured."""
    size = 0
    for city in range(cities):
        for name in SENSORS:
            path = find_scene(folder, name, city)
            values = render(name, city, cells * PIXELS)
            nodata = modalities.find(name).nodata
            write_cog(
                path, values, epsg=32632, transform=(10, 0, find_west(city, cells), 0, -10, NORTH),
                nodata=nodata, band_names=modalities.find(name).band_names,
            )  # fmt: skip
            size += path.stat().st_size
    return {"patches": cities * cells**2, "bytes": size}


def find_scene(folder: Path, sensor: str, city: int) -> Path:
    return folder / f"{sensor}-{city}.tif"


def find_west(city: int, cells: int) -> int:
    return (COLUMN + city * (cells + cells // 2)) * 320


def render(sensor: str, city: int, side: int) -> Array:
    """Levels that change over kilometres under noise of every pixel: reflectances, or the echoes of So2Sat."""
    names = modalities.find(sensor).band_names
    rng = np.random.default_rng([city, len(names)])
    noise = rng.standard_normal((side + 512, side + 512), dtype=np.float32)
    out = np.empty((len(names), side, side), modalities.find(sensor).dtype)
    for place, name in enumerate(names):
        smooth = draw_field(rng, side)
        down, across = rng.integers(512, size=2)
        grain = noise[down : down + side, across : across + side]
        if sensor == "sentinel2":
            out[place] = np.clip(2000 + 600 * smooth + 40 * grain, 1, 10_000)
            continue
        level = np.power(10, -1.2 + 0.4 * smooth, dtype=np.float32)
        out[place] = level * np.exp(0.1 * grain) if name.endswith("lee") else np.sqrt(level) * grain
    return out


def draw_field(rng: np.random.Generator, side: int) -> Array:
    """Numbers of about unit size that change over 64 pixels."""
    coarse = rng.normal(0, 1, (side // 64 + 3, side // 64 + 3)).astype(np.float32)
    places = np.arange(side, dtype=np.float32) / 64
    return np.asarray(interpolate(interpolate(coarse, places).T, places).T)


def list_cells(city: int, cells: int) -> list[Cell]:
    """All cells of a city, row by row from the north-west."""
    column, row = find_west(city, cells) // 320, NORTH // 320 - 1
    return [
        Cell(zone=32, north=True, size_m=320, column=column + east, row=row - south)
        for south in range(cells)
        for east in range(cells)
    ]


def describe_scene(folder: Path, sensor: str, city: int) -> Scene:
    bands = modalities.find(sensor).band_names
    path = find_scene(folder, sensor, city)
    file = RasterFile(path=path, bands=bands, nodata=modalities.find(sensor).nodata)
    return Scene(name=path.stem, files=(file,), bands=bands)
