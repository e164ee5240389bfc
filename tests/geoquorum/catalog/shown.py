"""One cell of the grid with whatever is to be shown of it: a cube, points, a clip, weather stations."""

from datetime import datetime
from pathlib import Path

import laspy
import numpy as np
from PIL import Image
from pyproj import CRS, Transformer

from fusion.sources.geotiff import write_cog
from geoquorum.accounts.models import Project
from geoquorum.catalog import services
from geoquorum.catalog.models import Region, Sample, Scene

EPSG, WEST, SOUTH, SIDE = 32632, 499_840, 5_299_840, 320
NORTH = SOUTH + SIDE
WAVES = (480.0, 560.0, 650.0, 830.0, 1650.0, 2200.0)


def write_cube(path: Path, waves: tuple[float, ...] = WAVES, bands: int = 0, level: int = 0) -> Path:
    """Red grows to the east, green to the south, the rest is even."""
    count = bands or len(waves)
    cube = np.full((count, 32, 32), 3000 + level, np.int16)
    cube[2 % count] = 1000 + level + 50 * np.arange(32)
    cube[1 % count] = 1000 + level + 50 * np.arange(32)[:, None]
    tags = {"WAVELENGTHS_NM": ",".join(map(str, waves))} if waves else {}
    return write_cog(
        path, cube, epsg=EPSG, transform=(10, 0, WEST, 0, -10, NORTH), nodata=-32768,
        band_names=[f"b{place:03d}" for place in range(1, count + 1)], tags=tags,
    )  # fmt: skip


def take_cube(
    region: Region, path: Path, waves: tuple[float, ...] = WAVES, captured: datetime | None = None, **words: int
) -> Scene:
    """A cube of the cell as a scene."""
    write_cube(path, waves, **words)
    [(scene, _infos)] = services.ingest(region=region, paths=[path], modality="hyperspectral", captured=captured)
    return scene


def make_cell(project: Project, folder: Path) -> Sample:
    """A region with a cube of one cell, cut into its one patch."""
    region = services.get_region(project=project, name="Cell")
    take_cube(region, folder / "cube.tif")
    [patch] = services.cut_patches(region=region)
    return patch


def write_points(path: Path) -> Path:
    """Low ground in the west and high roofs in the east of the cell, nothing in its northern half."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, SIDE, 30_000), rng.uniform(0, SIDE / 2, 30_000)
    header = laspy.LasHeader(version="1.2", point_format=3)
    header.offsets, header.scales = [WEST, SOUTH, 0], [0.01, 0.01, 0.01]
    header.add_crs(CRS.from_epsg(EPSG))
    las = laspy.LasData(header)
    las.x, las.y, las.z = WEST + x, SOUTH + y, np.where(x < SIDE / 2, 100.0, 160.0)
    las.classification = np.where(x < SIDE / 2, 2, 6)
    las.write(path)
    return path


def write_clip(folder: Path) -> Path:
    """Two frames of 10 m pixels over the cell and as much around it, red to the east and green to the south."""
    folder.mkdir()
    place = [10, 0, WEST - SIDE, 0, -10, NORTH + SIDE]
    ramp = np.arange(96, dtype=np.uint8)
    for number in range(2):
        frame = np.zeros((96, 96, 3), np.uint8)
        frame[..., 0], frame[..., 1], frame[..., 2] = 2 * ramp, 2 * ramp[:, None], 100 * number
        Image.fromarray(frame).save(folder / f"{number}.png")
    words = f'{{"epsg": {EPSG}, "transform": {place}, "frames_per_second": 1}}'
    (folder / "frames.json").write_text(words)
    return folder


def write_weather(path: Path) -> Path:
    """A station in the cell that grows warm, and one 50 km to the east that grows cold."""
    back = Transformer.from_crs(EPSG, 4326, always_xy=True)
    near, far = (back.transform(WEST + 160 + east, SOUTH + 160) for east in (0, 50_000))
    lines = ["time,station,lon,lat,airT"]
    for hour in range(6):
        lines.append(f"2024-05-01T{hour:02d}:00:00Z,far,{far[0]},{far[1]},{20 - hour}")
        lines.append(f"2024-05-01T{hour:02d}:00:00Z,near,{near[0]},{near[1]},{10 + hour}")
    path.write_text("\n".join(lines) + "\n")
    return path
