"""A whole file in the pixels of a web map."""

import math
from collections.abc import Sequence

import numpy as np
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.warp import reproject, transform, transform_bounds
from rasterio.windows import Window

from fusion.source import Bounds
from fusion.sources.geotiff.opening import open_raster
from fusion.sources.geotiff.reading import Mask, Raster, Stored, describe_file, find_indexes, read_part
from fusion.sources.geotiff.warping import restore_dtype, widen

# A CRS in PROJ's words alone knows no way to other datums: pictures of Great Britain lay 110 m beside their place. With
# the WGS 84 of EPSG below it, PROJ finds the shift.
MERCATOR = (
    'PROJCS["Web mercator",{base},PROJECTION["Mercator_1SP"],PARAMETER["central_meridian",{lon!r}],'
    'PARAMETER["scale_factor",1],PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1],'
    'EXTENSION["PROJ4","+proj=webmerc +lon_0={lon!r} +datum=WGS84 +units=m +no_defs"]]'
)
# radius of the sphere of web mercator (EPSG:3857), metres
SPHERE_M = 6_378_137.0


def read_for_web(
    raster: Raster, *, bands: Sequence[str] | None = None, longest_side: int = 1024, resampling: str = "nearest"
) -> tuple[Stored, Mask, Bounds]:
    """The file in web mercator: array [band, y, x], mask [y, x], and west, south, east, north in degrees.

    The longer side has `longest_side` pixels; no bands named means all. Mercator is turned to the file's own meridian,
    which only shifts x: an image over the antimeridian stays in one piece, with an east above 180, as web maps take it.
    """
    file = describe_file(raster)
    with open_raster(file.path) as dataset:
        middle = (dataset.bounds.left + dataset.bounds.right) / 2, (dataset.bounds.bottom + dataset.bounds.top) / 2
        meridian = float(transform(dataset.crs, "EPSG:4326", [middle[0]], [middle[1]])[0][0])
        mercator = turn_mercator(meridian)
        west, south, east, north = transform_bounds(dataset.crs, mercator, *dataset.bounds)
        step = max(east - west, north - south) / longest_side
        width, height = max(1, round((east - west) / step)), max(1, round((north - south) / step))
        across, down = (east - west) / width, (north - south) / height
        whole = Window(0, 0, dataset.width, dataset.height)
        thinning = max(1, max(dataset.width, dataset.height) // (2 * longest_side))
        shape = math.ceil(dataset.height / thinning), math.ceil(dataset.width / thinning)
        array, mask = read_part(dataset, find_indexes(file, bands), whole, file.nodata, shape)
        source = widen(array, mask)
        target = np.full((len(source), height, width), np.nan, dtype=source.dtype)
        reproject(
            source,
            target,
            src_transform=dataset.transform @ Affine.scale(dataset.width / shape[1], dataset.height / shape[0]),
            src_crs=dataset.crs,
            src_nodata=np.nan,
            dst_transform=Affine(across, 0.0, west, 0.0, -down, north),
            dst_crs=mercator,
            dst_nodata=np.nan,
            resampling=Resampling[resampling],
        )
    shown, valid = restore_dtype(target, array.dtype)
    return shown, valid, (*_to_degrees(west, south, meridian), *_to_degrees(east, north, meridian))


def turn_mercator(meridian: float) -> CRS:
    """Web mercator (EPSG:3857) whose x is 0 at a meridian in degrees."""
    return CRS.from_wkt(MERCATOR.format(base=CRS.from_epsg(4326).to_wkt(), lon=meridian))


def _to_degrees(x: float, y: float, meridian: float) -> tuple[float, float]:
    return meridian + math.degrees(x / SPHERE_M), math.degrees(2 * math.atan(math.exp(y / SPHERE_M)) - math.pi / 2)
