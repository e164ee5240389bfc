"""Heights on a grid out of a cloud of points: surface, terrain, heights above ground, canopy."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fusion.bounded import run_bounded
from fusion.errors import BadFileError
from fusion.file_info import PointsInfo, Transform
from fusion.sources.geotiff.writing import write_cog
from fusion.sources.point_cloud.header import PointLimits
from fusion.sources.point_cloud.reading import inspect_points

GROUND = (2,)  # ASPRS class of ground
NODATA = -9999.0
BANDS = ("surface", "terrain", "above_ground", "canopy")
MOST_PIXELS = 25_000_000
Heights = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """Grids [y, x] in the cloud's unit of height, NaN where nothing was measured.

    `surface` is the highest point of a pixel (DSM); `terrain` the mean of its ground points, between them that of the
    nearest within `reach` pixels (DTM); `above_ground` surface less terrain, not below 0 (nDSM); `canopy` the same of
    points classed as vegetation, 0 where there are none; `count` the points of each pixel. `transform` is
    (a, b, c, d, e, f) in units of `epsg`.
    """

    surface: Heights
    terrain: Heights
    above_ground: Heights
    canopy: Heights
    count: npt.NDArray[np.int32]
    transform: Transform
    epsg: int | None
    is_ground_classified: bool
    notes: tuple[str, ...]


def make_surfaces(
    path: Path,
    pixel: float,
    *,
    reach: int = 20,
    epsg: int | None = None,
    limits: PointLimits | None = None,
) -> Surfaces:
    """Grids with pixels of `pixel` (units of the CRS), aligned to whole multiples of it.

    Ground is the class of the points where any has it; else the lowest point of each pixel, opened over seven pixels so
    that narrow objects fall away: a rough terrain, and said to be one.
    """
    [info] = inspect_points(path, limits, epsg)
    west, north, width, height = _lay_grid(info, pixel)
    is_classified = any(info.classes.get(code) for code in GROUND)
    content = run_bounded(
        "fusion.sources.point_cloud.child:grid", about=path.name, path=str(path.absolute()), west=west, north=north,
        pixel=pixel, width=width, height=height, ground=list(GROUND),
    )  # fmt: skip
    with np.load(io.BytesIO(content), allow_pickle=False) as grids:
        highest, lowest, ground, count = (grids[name] for name in ("highest", "lowest", "ground", "count"))
        crowns = grids["crowns"]
    surface = np.where(np.isfinite(highest), highest, np.nan)
    known = ground if is_classified else _open_up(np.where(np.isfinite(lowest), lowest, np.nan))
    terrain = _spread(known, reach)
    note = "Terrain from points classed as ground" if is_classified else (
        "No point is classed as ground: terrain is the lowest points, opened over seven pixels, and rough"
    )  # fmt: skip
    return Surfaces(
        surface=surface.astype(np.float32),
        terrain=terrain.astype(np.float32),
        above_ground=np.maximum(surface - terrain, 0).astype(np.float32),
        canopy=_measure_canopy(crowns, surface, terrain),
        count=count.astype(np.int32),
        transform=(pixel, 0.0, west, 0.0, -pixel, north),
        epsg=info.epsg,
        is_ground_classified=is_classified,
        notes=(*info.notes, note),
    )


def write_surfaces(surfaces: Surfaces, path: Path) -> Path:
    """The four grids as the bands of a COG, which the GeoTIFF source reads as heights."""
    if surfaces.epsg is None:
        raise BadFileError(f"{path.name}: the cloud has no coordinate reference system. State it when making surfaces.")
    bands = np.stack([getattr(surfaces, name) for name in BANDS])
    return write_cog(
        path, np.where(np.isfinite(bands), bands, np.float32(NODATA)), epsg=surfaces.epsg,
        transform=surfaces.transform, nodata=NODATA, band_names=BANDS,
    )  # fmt: skip


def _measure_canopy(
    crowns: npt.NDArray[np.float64], surface: npt.NDArray[np.float64], terrain: npt.NDArray[np.float64]
) -> Heights:
    """Height of vegetation above ground; unknown where surface or terrain are."""
    tall = np.where(np.isfinite(crowns), np.maximum(crowns - terrain, 0), 0.0)
    return np.where(np.isfinite(surface) & np.isfinite(terrain), tall, np.nan).astype(np.float32)


def _lay_grid(info: PointsInfo, pixel: float) -> tuple[float, float, int, int]:
    """West, north, width and height of the grid; the rightmost and lowest point lie inside it."""
    if not (math.isfinite(pixel) and pixel > 0):
        raise BadFileError(f"{info.path.name}: a pixel of {pixel:g} cannot be. Give its side in units of the CRS.")
    west, south, _, east, north, _ = info.bounds
    left, top = math.floor(west / pixel) * pixel, math.ceil(north / pixel) * pixel
    width, height = math.floor((east - left) / pixel) + 1, math.floor((top - south) / pixel) + 1
    if width * height > MOST_PIXELS:
        raise BadFileError(
            f"{info.path.name}: {width:,} x {height:,} pixels of {pixel:g}; at most {MOST_PIXELS:,}. Take larger ones."
        )
    return left, top, width, height


def _open_up(lowest: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Lowest points after a grey opening: what is narrower than seven pixels is taken off."""
    filled = np.where(np.isfinite(lowest), lowest, np.inf)
    eroded = ndimage.minimum_filter(filled, 7)
    opened = ndimage.maximum_filter(np.where(np.isfinite(eroded), eroded, -np.inf), 7)
    return np.where(np.isfinite(lowest), np.minimum(opened, filled), np.nan)


def _spread(known: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """Every pixel within `reach` of a known one takes the nearest; the others stay unknown."""
    if not np.isfinite(known).any():
        return known
    distance, nearest = ndimage.distance_transform_edt(~np.isfinite(known), return_indices=True)
    return np.where(distance <= reach, known[tuple(nearest)], np.nan)
