"""Coordinate systems of files: the EPSG code behind a text, and whether coordinates lie where it is made for."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.exceptions import CRSError

from fusion.errors import BadFileError
from fusion.file_info import Bounds

Numbers = npt.NDArray[np.float64]
# names in files differ ("UTM_Zone_51N"), parameters do not: PROJ's 70 asks for equal parameters
CONFIDENCE = 70
# data reach beyond the edges of their zone; half a zone is no slip of the pen
AREA_MARGIN_DEGREES = 3.0
MOST_TEXT = 20_000
EARTH_RADIUS_M = 6_371_008.8  # mean radius; distances on the sphere are good to 0.6 %


def find_epsg(text: str | pyproj.CRS) -> int | None:
    """EPSG code of a CRS as WKT, PROJJSON or code, that of its horizontal part if compound; None if it has none."""
    if isinstance(text, str) and len(text) > MOST_TEXT:
        return None
    try:
        crs = pyproj.CRS.from_user_input(text)
        if crs.is_bound and crs.source_crs is not None:
            crs = crs.source_crs
        if crs.is_compound:
            crs = crs.sub_crs_list[0]
        return crs.to_epsg(min_confidence=CONFIDENCE) or crs.to_2d().to_epsg(min_confidence=CONFIDENCE)
    except CRSError:
        return None


def find_epsg_in(text: str) -> int:
    """EPSG code of a CRS that somebody states; BadFileError where it is none."""
    epsg = find_epsg(text)
    if epsg is None:
        raise BadFileError(
            f"{text[:80]!r} is no coordinate reference system with an EPSG code. Give one as EPSG:32632."
        )
    return epsg


@lru_cache(maxsize=64)
def transformer_to_lonlat(epsg: int) -> pyproj.Transformer:
    """From the axes easting, northing (or longitude, latitude) of `epsg` to degrees of WGS 84."""
    return pyproj.Transformer.from_crs(epsg, 4326, always_xy=True)


def check_place(epsg: int, xs: Numbers, ys: Numbers) -> Bounds:
    """West, south, east, north in degrees of points in `epsg` (west > east over the antimeridian).

    Refused with a reason, to be put behind the file's name: what is no place on Earth, or lies wholly outside the area
    that the CRS is made for, as swapped axes and wrong zones do.
    """
    lons, lats = (np.asarray(axis, float) for axis in transformer_to_lonlat(epsg).transform(xs, ys))
    if not (np.isfinite(lons).all() and np.isfinite(lats).all() and np.abs(lats).max() <= 90):
        raise BadFileError(f"its coordinates are no places on Earth in EPSG:{epsg}; are its axes swapped?")
    crs = pyproj.CRS.from_epsg(epsg)
    if crs.is_geographic and np.abs(xs).max() > 180.001:
        raise BadFileError("its longitudes leave -180..180; are these metres, or the far side of the antimeridian?")
    _check_area(crs, epsg, lons, lats)
    return wrap_bounds(lons, lats)


def wrap_bounds(lons: Numbers, lats: Numbers) -> Bounds:
    """The shortest box around points; west > east where that leads over the antimeridian."""
    turned = lons % 360
    plain, shifted = float(lons.max() - lons.min()), float(turned.max() - turned.min())
    if shifted < plain - 1e-9:
        west, east = (float((edge + 180) % 360 - 180) for edge in (turned.min(), turned.max()))
    else:
        west, east = float(lons.min()), float(lons.max())
    return west, float(lats.min()), east, float(lats.max())


def _check_area(crs: pyproj.CRS, epsg: int, lons: Numbers, lats: Numbers) -> None:
    area = crs.area_of_use
    if area is None:
        return
    width = (area.east - area.west) % 360 or 360
    along = (lons - area.west + AREA_MARGIN_DEGREES) % 360 <= width + 2 * AREA_MARGIN_DEGREES
    # either hemisphere: northern zones with negative northings are in use south of the equator
    up = np.abs(lats) <= max(abs(area.south), abs(area.north)) + AREA_MARGIN_DEGREES
    if not (along & up).any():
        raise BadFileError(
            f"it lies near {lons.mean():.1f}, {lats.mean():.1f}, outside the area of EPSG:{epsg} ({area.name}); "
            "is the CRS wrong, or are its axes swapped?"
        )


def on_sphere(lonlat: Numbers) -> Numbers:
    """Points [n, 2] in degrees as points of the Earth's sphere in metres [n, 3]."""
    lon, lat = np.radians(lonlat.reshape(-1, 2)).T
    return EARTH_RADIUS_M * np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
