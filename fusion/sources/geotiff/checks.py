"""What a raster must be before it is taken: its size from the header first, its place next, every block last."""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyproj
from rasterio.io import DatasetReader
from rasterio.warp import transform
from rasterio.windows import Window

from fusion.errors import BadRasterError
from fusion.grid import NORTH_LIMIT, SOUTH_LIMIT
from fusion.source import Bounds, Limits
from fusion.sources.geotiff.reading import find_valid

# pixels decoded at a time while every block is read
READ_PIXELS = 4 * 2**20
# points along each side of a footprint: straight lines in one CRS are curves in another
SIDE_POINTS = 21
# Sentinel-2 tiles reach about 100 km into the next zone; half a zone more is no slip of the pen
AREA_MARGIN_DEGREES = 3.0
# the finest survey pictures have pixels of about a centimetre; 1e-4 degrees would be a tenth of a millimetre
LEAST_PIXEL_M = 0.005
HOW_TO_WARP = "Write it north-up in a projected CRS first, for example with gdalwarp -t_srs EPSG:32632"


def check_size(dataset: DatasetReader, limits: Limits, size_bytes: int | None = None) -> None:
    """Refuse a raster whose header promises more than `limits`, before anything is decoded.

    `size_bytes` is that of the file where it does not lie on a local disk.
    """
    _check_limit("bands", dataset.count, limits.bands)
    pixels, depth = dataset.width * dataset.height, np.dtype(dataset.dtypes[0]).itemsize
    together = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    decoded = pixels * dataset.count * depth
    _check_limit("pixels along one side", max(dataset.width, dataset.height), limits.side)
    _check_limit("pixels", pixels, limits.pixels)
    _check_limit("bytes in one block", math.prod(dataset.block_shapes[0]) * depth * together, limits.block_bytes)
    _check_limit("bytes when decoded", decoded, limits.decoded_bytes)
    if decoded > limits.free_bytes:
        stored = Path(dataset.name).stat().st_size if size_bytes is None else size_bytes
        ratio = decoded / max(stored, 1)
        _check_limit("times its size on disk when decoded", ratio, limits.ratio)


def _check_limit(what: str, value: float, limit: float) -> None:
    if value > limit:
        raise BadRasterError(f"it has {value:,.0f} {what}, the limit is {limit:,.0f}; cut it into smaller files")


def check_place(dataset: DatasetReader) -> tuple[int, Bounds]:
    """EPSG code and lon/lat bounds (west > east over the antimeridian); no CRS or a doubtful place is refused."""
    if dataset.crs is None:
        raise BadRasterError("it has no coordinate reference system; assign it, for example with gdal_edit -a_srs")
    if dataset.gcps[0] and dataset.transform.is_identity:
        raise BadRasterError(f"it is placed by ground control points, not by a grid. {HOW_TO_WARP}")
    a, b, _, d, e, _ = tuple(dataset.transform)[:6]
    if b or d:
        raise BadRasterError(f"its grid is rotated or sheared. {HOW_TO_WARP}")
    if a <= 0 or e >= 0:
        raise BadRasterError(f"its rows run from south to north or its columns from east to west. {HOW_TO_WARP}")
    if dataset.crs.is_projected and a < LEAST_PIXEL_M:
        raise BadRasterError(f"its pixels are {a:g} m wide; are these degrees under the name of a projected CRS?")
    epsg = dataset.crs.to_epsg()
    if epsg is None:
        raise BadRasterError(f"its CRS {_name_crs(dataset)!r} has no EPSG code. {HOW_TO_WARP}")
    return epsg, _find_lonlat_bounds(dataset, epsg)


def read_every_block(dataset: DatasetReader, indexes: list[int], nodata: float | None) -> tuple[float, list[int]]:
    """Decode all of it; the share of invalid pixels, and those of `indexes` that hold anything.

    Nothing valid at all is refused. Of many bands some may be empty from edge to edge, as those in which the air
    absorbs all light are: they are left out of the share, and a second pass counts it.
    """
    valid = _count_valid(dataset, indexes, nodata)
    if valid == 0 and len(indexes) > 1:
        live = _find_live(dataset, indexes, nodata)
        if live and len(live) < len(indexes):
            indexes, valid = live, _count_valid(dataset, live, nodata)
    if valid == 0:
        raise BadRasterError("not one pixel holds data: all are nodata, masked or not finite")
    return 1.0 - valid / (dataset.width * dataset.height), indexes


def _count_valid(dataset: DatasetReader, indexes: list[int], nodata: float | None) -> int:
    """Pixels that hold data in all of `indexes`."""
    valid = 0
    for window in list_windows(dataset):
        array = dataset.read(window=window)
        used = array[[index - 1 for index in indexes]]
        valid += int(find_valid(dataset, used, window, nodata).sum())
    return valid


def _find_live(dataset: DatasetReader, indexes: list[int], nodata: float | None) -> list[int]:
    """Those of `indexes` that hold data in any pixel."""
    live: set[int] = set()
    for window in list_windows(dataset):
        array = dataset.read(window=window)
        unknown = [index for index in indexes if index not in live]
        live.update(index for index in unknown if find_valid(dataset, array[index - 1 : index], window, nodata).any())
    return [index for index in indexes if index in live]


def check_block_sums(dataset: DatasetReader) -> None:
    """Refuse a file whose Deflate blocks differ from their own checksums.

    GDAL stops before a block's Adler-32 and returns damaged pixels as good ones: with three bytes flipped in a COG,
    173 to 195 of 200 copies read without an error (rasterio 1.4.4). Other packings carry no sum to check.
    """
    if dataset.profile.get("compress") != "deflate":
        return
    is_joint = dataset.profile.get("interleave") == "pixel" or dataset.count == 1
    tall, wide = dataset.block_shapes[0]
    expected = tall * wide * np.dtype(dataset.dtypes[0]).itemsize * (dataset.count if is_joint else 1)
    with Path(dataset.name).open("rb") as file:
        for band in range(1, 2 if is_joint else dataset.count + 1):
            for row in range(math.ceil(dataset.height / tall)):
                for column in range(math.ceil(dataset.width / wide)):
                    place, size = (
                        dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band)
                        for what in ("OFFSET", "SIZE")
                    )
                    if place and size:  # a block left out of a sparse file has neither
                        file.seek(int(place))
                        _check_sum(file.read(int(size)), expected)


def _check_sum(packed: bytes, expected: int) -> None:
    unpacker, size = zlib.decompressobj(), 0
    try:
        while packed and not unpacker.eof and size <= expected:
            size += len(unpacker.decompress(packed, READ_PIXELS))
            packed = unpacker.unconsumed_tail
    except zlib.error as error:
        raise BadRasterError(f"a block of it is damaged ({error}); fetch or write it again") from error
    if not unpacker.eof or size > expected:
        raise BadRasterError("a block of it ends too early or too late; fetch or write it again")


def list_windows(dataset: DatasetReader) -> Iterator[Window]:
    """Windows over the whole raster made of whole blocks, about READ_PIXELS values each over all bands."""
    tall, wide = dataset.block_shapes[0]
    blocks_across = max(1, READ_PIXELS // (tall * wide * dataset.count))
    width = min(dataset.width, wide * blocks_across)
    height = tall * max(1, READ_PIXELS // (width * tall * dataset.count)) if width == dataset.width else tall
    for row in range(0, dataset.height, height):
        for column in range(0, dataset.width, width):
            yield Window(column, row, min(width, dataset.width - column), min(height, dataset.height - row))


def _find_lonlat_bounds(dataset: DatasetReader, epsg: int) -> Bounds:
    xs, ys = _walk_edge(dataset)
    found = transform(dataset.crs, "EPSG:4326", xs.tolist(), ys.tolist())
    lons, lats = np.asarray(found[0]), np.asarray(found[1])
    if not (np.isfinite(lons).all() and np.isfinite(lats).all() and np.abs(lats).max() <= 90):
        raise BadRasterError(f"its corners are no places on Earth in EPSG:{epsg}; are its axes swapped?")
    if dataset.crs.is_geographic and (xs.min() < -180.001 or xs.max() > 180.001):
        raise BadRasterError("its longitudes leave -180..180; shift or cut it at the antimeridian")
    _check_area(epsg, lons, lats)
    turned = np.unwrap(lons, period=360)
    if abs(turned[-1] - turned[0]) > 180 or turned.max() - turned.min() > 180:
        raise BadRasterError("it holds a pole or is wider than 180 degrees; cut it into smaller files")
    if lats.max() < SOUTH_LIMIT or lats.min() > NORTH_LIMIT:
        raise BadRasterError("it lies beyond 84 N or 80 S, where the grid ends")
    west, east = (_wrap(float(edge)) for edge in (turned.min(), turned.max()))
    return west, float(lats.min()), east, float(lats.max())


def _walk_edge(dataset: DatasetReader) -> tuple[np.ndarray, np.ndarray]:
    """Points around the raster's edge, closed, from the north-west."""
    west, south, east, north = dataset.bounds
    across, down = np.linspace(west, east, SIDE_POINTS), np.linspace(north, south, SIDE_POINTS)
    xs = [across, np.full(SIDE_POINTS, east), across[::-1], np.full(SIDE_POINTS, west)]
    ys = [np.full(SIDE_POINTS, north), down, np.full(SIDE_POINTS, south), down[::-1]]
    return np.concatenate(xs), np.concatenate(ys)


def _check_area(epsg: int, lons: np.ndarray, lats: np.ndarray) -> None:
    """Refuse a raster that lies wholly outside the area its CRS is made for: swapped axes or a wrong zone."""
    area = pyproj.CRS.from_epsg(epsg).area_of_use
    if area is None:
        return
    width = (area.east - area.west) % 360 or 360
    along = (lons - area.west + AREA_MARGIN_DEGREES) % 360 <= width + 2 * AREA_MARGIN_DEGREES
    # either hemisphere: Landsat keeps northern UTM zones with negative northings south of the equator
    up = np.abs(lats) <= max(abs(area.south), abs(area.north)) + AREA_MARGIN_DEGREES
    if not (along & up).any():
        raise BadRasterError(
            f"it lies near {lons.mean():.1f}, {lats.mean():.1f}, outside the area of EPSG:{epsg} ({area.name}); "
            "is the CRS wrong, or are its axes swapped?"
        )


def _wrap(lon: float) -> float:
    return lon if -180 <= lon <= 180 else (lon + 180) % 360 - 180


def _name_crs(dataset: DatasetReader) -> str:
    return pyproj.CRS.from_wkt(dataset.crs.to_wkt()).name
