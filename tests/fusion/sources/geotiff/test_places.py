"""On row C8: rasters without a place or with a doubtful one are refused by name; those over 180 degrees stay narrow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import Affine
from rasterio.warp import transform

from fusion.errors import BadRasterError
from fusion.modality import Modality
from fusion.sources.geotiff import inspect, read_for_web

Writer = Callable[..., Path]


PLACES = {
    "no CRS": ({"crs": None}, "no coordinate reference system"),
    "rotated": ({"transform": Affine(10, 2, 6e5, 2, -10, 5.3e6)}, "rotated or sheared"),
    "south-up": ({"transform": Affine(10, 0, 6e5, 0, 10, 5.3e6)}, "south to north"),
    "west-up": ({"transform": Affine(-10, 0, 6e5, 0, -10, 5.3e6)}, "east to west"),
    "no EPSG code": ({"crs": "+proj=laea +lat_0=45 +lon_0=-100 +a=6370997 +units=m"}, "no EPSG code"),
    "axes swapped in metres": ({"transform": Affine(10, 0, 5.3e6, 0, -10, 6e5)}, "swapped"),
    "axes swapped in degrees": ({"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 48, 0, -1e-4, 151)}, "swapped"),
    "longitudes 0-360": ({"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 210, 0, -1e-4, 48)}, "leave -180..180"),
    "over 180 in degrees": ({"crs": "EPSG:4326", "transform": Affine(1e-2, 0, 179.9, 0, -1e-2, 48)}, "leave -180..180"),
    "a pole": ({"crs": "EPSG:3413", "transform": Affine(1000, 0, -10_000, 0, -1000, 10_000)}, "holds a pole"),
    "beyond 84 N": ({"crs": "EPSG:3413", "transform": Affine(10, 0, 100_000, 0, -10, 200_000)}, "beyond 84 N"),
    "beyond 80 S": ({"crs": "EPSG:3031", "transform": Affine(10, 0, 100_000, 0, -10, 200_000)}, "beyond 84 N or 80 S"),
    "degrees called metres": ({"transform": Affine(1e-4, 0, 11.5, 0, -1e-4, 48.1)}, "are these degrees"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_a_doubtful_place_is_refused_by_name(tmp_path: Path, plain: Modality, write_tiff: Writer, name: str) -> None:
    profile, sentence = PLACES[name]
    path = write_tiff(tmp_path / "a.tif", np.ones((1, 20, 20), "uint8"), **profile)
    with pytest.raises(BadRasterError, match=sentence) as caught:
        inspect([path], plain)
    assert str(caught.value).startswith("a.tif: ")


def test_a_footprint_over_the_antimeridian_stays_narrow(tmp_path: Path, plain: Modality, write_tiff: Writer) -> None:
    for epsg in (32601, 32660):
        west = 161_000 if epsg == 32601 else 830_000
        path = write_tiff(
            tmp_path / f"{epsg}.tif", np.ones((1, 100, 100), "uint8"), crs=f"EPSG:{epsg}",
            transform=Affine(100, 0, west, 0, -100, 100_000),
        )  # fmt: skip
        left, south, right, north = inspect([path], plain)[0].lonlat_bounds
        assert left > 179
        assert right < -179
        assert (right - left) % 360 < 0.2
        assert 0.8 < south < north < 0.95


def test_a_polar_projection_within_the_grid_is_taken(tmp_path: Path, plain: Modality, write_tiff: Writer) -> None:
    path = write_tiff(
        tmp_path / "a.tif", np.ones((1, 100, 100), "uint8"), crs="EPSG:3413",
        transform=Affine(100, 0, -300_000, 0, -100, -2_000_000),
    )  # fmt: skip
    west, south, east, north = inspect([path], plain)[0].lonlat_bounds
    assert -56 < west < east < -52
    assert 71 < south < north < 72


# EPSG code, west, north and pixel size: both edges of the zones, both caps within the grid, countries, web mercator
GOOD = {
    "UTM 1, at 180 W": (32601, 161_000, 1_000_000, 100), "UTM 60, at 180 E": (32760, 830_000, 9_000_000, 100),
    "UTM 33": (32633, 500_000, 5_300_000, 10), "Arctic": (3413, -300_000, -2_000_000, 100),
    "Antarctic": (3031, 1_600_000, 300_000, 100), "degrees": (4326, 11.5, 48.2, 1e-4),
    "degrees at 180 E": (4326, 179.9, -16.5, 1e-4), "France": (2154, 700_000, 6_600_000, 10),
    "Great Britain": (27700, 530_000, 180_000, 10), "web mercator": (3857, 1_280_000, 6_130_000, 10),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_pixel_comes_back_to_where_it_was(tmp_path: Path, plain: Modality, write_tiff: Writer, name: str) -> None:
    """To the map and back within a pixel, in a footprint narrower than 180 degrees and a map that ends at 85.06."""
    epsg, west, north, step = GOOD[name]
    values = np.ones((1, 200, 200), "uint8")
    values[0, 60:63, 140:143] = 200
    path = write_tiff(
        tmp_path / "a.tif", values, crs=f"EPSG:{epsg}", transform=Affine(step, 0, west, 0, -step, north)
    )  # fmt: skip
    left, _south, right, _top = inspect([path], plain)[0].lonlat_bounds
    assert (right - left) % 360 < 180
    shown, _valid, bounds = read_for_web(path, longest_side=800)
    assert bounds[2] - bounds[0] < 180
    assert -85.06 <= bounds[1] < bounds[3] <= 85.06
    rows, columns = np.nonzero(shown[0] > 100)
    edge, low, end, high = bounds
    mercator = [float(np.log(np.tan(np.pi / 4 + np.radians(one) / 2))) for one in (low, high)]
    y = mercator[1] - (rows.mean() + 0.5) / shown.shape[1] * (mercator[1] - mercator[0])
    longitude = edge + (columns.mean() + 0.5) / shown.shape[2] * (end - edge)
    latitude = float(np.degrees(2 * np.arctan(np.exp(y)) - np.pi / 2))
    [x], [there] = transform("EPSG:4326", f"EPSG:{epsg}", [(longitude + 180) % 360 - 180], [latitude])
    assert abs((x - west) / step - 141.5) < 1
    assert abs((north - there) / step - 61.5) < 1


def test_ten_ways_to_be_somewhere_else_are_refused() -> None:
    assert len(PLACES) >= 10
    assert len(GOOD) == 10
