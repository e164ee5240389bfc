"""Checks before a file is taken: size from the header, place, every block; each refusal names file and limit."""

import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from fusion.errors import BadRasterError
from fusion.modality import Band, Modality
from fusion.source import Limits
from fusion.sources.geotiff import hash_file, inspect, write_cog

Writer = Callable[..., Path]
GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)


def write_sparse(path: Path, *, width: int, height: int, count: int = 1, block: int = 512, **options: object) -> Path:
    """A file whose header promises much and which holds next to nothing."""
    profile = {
        "driver": "GTiff", "width": width, "height": height, "count": count, "dtype": "uint8", "crs": "EPSG:32632",
        "transform": Affine(*GRID), "SPARSE_OK": True, "tiled": True, "blockxsize": block, "blockysize": block,
        "BIGTIFF": "YES",
    }  # fmt: skip
    with rasterio.open(path, "w", **{**profile, **options}):
        pass
    return path


@pytest.mark.parametrize(
    ("shape", "limit"),
    [({"width": 200_000, "height": 200_000}, "pixels along one side, the limit is 100,000"),
     ({"width": 90_000, "height": 90_000}, "pixels, the limit is 500,000,000"),
     ({"width": 4, "height": 4, "count": 60_000, "block": 16, "interleave": "band"}, "60,000 bands, the limit is 512"),
     ({"width": 32_768, "height": 15_000, "block": 32_768}, "bytes in one block"),
     ({"width": 20_000, "height": 20_000, "block": 2048}, "times its size on disk")],
    ids=["side", "pixels", "bands", "tile", "ratio of an empty file"],
)  # fmt: skip
def test_a_bomb_is_refused_within_a_second_and_200_mb(
    tmp_path: Path, plain: Modality, shape: dict[str, int], limit: str
) -> None:
    path = write_sparse(tmp_path / "a.tif", **shape)  # type: ignore[arg-type]
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(BadRasterError, match=limit) as caught:
        inspect([path], plain)
    assert time.perf_counter() - start < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 200 * 1024
    assert str(caught.value).startswith("a.tif: it has ")


def test_a_highly_packed_file_is_refused(tmp_path: Path, plain: Modality, write_tiff: Writer) -> None:
    zeros = np.ones((1, 9000, 9000), "uint8")
    path = write_tiff(tmp_path / "a.tif", zeros, compress="zstd", tiled=True, blockxsize=4096, blockysize=4096)
    with pytest.raises(BadRasterError, match="times its size on disk"):
        inspect([path], plain)


def test_limits_can_be_set_by_the_caller(tmp_path: Path, plain: Modality, write_tiff: Writer) -> None:
    path = write_tiff(tmp_path / "a.tif", np.ones((1, 20, 20), "uint8"))
    assert inspect([path], plain)
    with pytest.raises(BadRasterError, match="400 pixels, the limit is 100"):
        inspect([path], plain, limits=Limits(pixels=100))


@pytest.fixture(scope="module")
def good_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    array = np.random.default_rng(0).integers(0, 4000, (1, 300, 300)).astype("uint16")
    return write_cog(tmp_path_factory.mktemp("good") / "a.tif", array, epsg=32632, transform=GRID).read_bytes()


@pytest.mark.parametrize("cut", range(60))
def test_a_truncated_file_is_refused(tmp_path: Path, plain: Modality, good_file: bytes, cut: int) -> None:
    path = tmp_path / "cut.tif"
    path.write_bytes(good_file[: len(good_file) * cut // 60])
    with pytest.raises(BadRasterError, match=r"cut\.tif"):
        inspect([path], plain)


@pytest.mark.parametrize("packing", [{"tiled": True, "blockxsize": 64, "blockysize": 64}, {"interleave": "band"}])
@pytest.mark.parametrize("predictor", [1, 2])
def test_three_flipped_bytes_in_packed_pixels_are_refused(
    tmp_path: Path, plain: Modality, write_tiff: Writer, packing: dict[str, object], predictor: int
) -> None:
    draw = np.random.default_rng(predictor)
    pixels = np.cumsum(draw.integers(-9, 10, (2, 96, 96)), axis=2).astype("uint16")
    path = write_tiff(tmp_path / "flip.tif", pixels, compress="deflate", predictor=predictor, **packing)
    good = path.read_bytes()
    assert inspect([path], plain, bands=["value", "other"])
    for _ in range(60):
        content = bytearray(good)
        for place in draw.choice(np.arange(len(good) // 4, len(good) * 3 // 4), 3, replace=False):
            content[place] ^= int(draw.integers(1, 256))
        path.write_bytes(content)
        with pytest.raises(BadRasterError, match=r"flip\.tif"):
            inspect([path], plain, bands=["value", "other"])


def test_a_flipped_byte_in_a_cog_of_ours_is_refused(tmp_path: Path, plain: Modality, good_file: bytes) -> None:
    draw = np.random.default_rng(5)
    path = tmp_path / "flip.tif"
    for place in draw.integers(1000, len(good_file) - 1000, 40):
        content = bytearray(good_file)
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(BadRasterError, match=r"flip\.tif"):
            inspect([path], plain)


def test_one_flipped_byte_in_unpacked_pixels_changes_the_checksum(
    tmp_path: Path, plain: Modality, write_tiff: Writer
) -> None:
    path = write_tiff(tmp_path / "a.tif", np.ones((1, 64, 64), "uint16"))
    info = inspect([path], plain)[0]
    assert hash_file(path) == info.sha256
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    assert hash_file(path) != info.sha256


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -9999.0])
def test_the_share_without_data_is_reported_and_marked(
    tmp_path: Path, plain: Modality, write_tiff: Writer, bad: float
) -> None:
    array = np.ones((1, 20, 20), "float32")
    array[0, :5] = bad
    few = inspect([write_tiff(tmp_path / "few.tif", array, nodata=-9999)], plain)[0]
    assert (few.invalid_share, few.is_mostly_invalid) == (0.25, False)
    array[0, :15] = bad
    many = inspect([write_tiff(tmp_path / "many.tif", array, nodata=-9999)], plain)[0]
    assert (many.invalid_share, many.is_mostly_invalid) == (0.75, True)
    assert "More than half of it holds no data" in many.describe()
    with pytest.raises(BadRasterError, match="not one pixel holds data"):
        inspect([write_tiff(tmp_path / "all.tif", np.full_like(array, bad), nodata=-9999)], plain)


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


ODD_FILES = {
    "RGBA.uint16.tif": None,
    "import-tiff-test1.tiff": None,
    "all-nodata.tif": "not one pixel holds data",
    "corrupt.tif": "cannot be read",
    "float_nan.tif": "no coordinate reference system",
    "float_raster_with_nodata.tif": "no EPSG code",
    "rgb-byte-tenth.tif": "no EPSG code",
    "rotated.tif": "no coordinate reference system",
    "test_esri_wkt.tif": "no EPSG code",
    "RGB.byte.rpc.vrt": "not a TIFF",
    "no_band.h5": "not a TIFF",
    "no-points.las": "not a TIFF",
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_odd_files_are_taken_or_refused_by_name(shared: Path, plain: Modality, name: str) -> None:
    path, sentence = shared / "odd-files" / name, ODD_FILES[name]
    count = {"RGBA.uint16.tif": 4, "all-nodata.tif": 4, "corrupt.tif": 3, "rgb-byte-tenth.tif": 3}.get(name, 1)
    names = ["value", *(f"other{place}" for place in range(1, count))]
    if sentence is None:
        assert inspect([path], plain, bands=names)[0].used == ("value",)
    else:
        with pytest.raises(BadRasterError, match=sentence) as caught:
            inspect([path], plain, bands=names)
        assert str(caught.value).startswith(f"{name}: ")


def test_every_tiff_among_the_odd_files_is_judged(shared: Path) -> None:
    there = {path.name for path in (shared / "odd-files").iterdir() if path.suffix in (".tif", ".tiff", ".vrt")}
    assert there <= set(ODD_FILES)


def test_bands_that_are_empty_from_edge_to_edge_are_left_out_and_named(
    tmp_path: Path, write_tiff: Callable[..., Path]
) -> None:
    bands = tuple(Band(name=name, title=name) for name in ("a", "b", "c"))
    three = Modality(name="three", title="Three", kind="raster", dims=("band", "y", "x"), bands=bands, dtype="float32")
    values = np.ones((3, 16, 16), np.float32)
    values[1], values[2, :4] = np.nan, np.nan
    [info] = inspect([write_tiff(tmp_path / "a.tif", values)], three, bands=["a", "b", "c"])
    assert info.used == ("a", "c")
    assert "Bands without any data left out: b" in info.notes
    assert info.invalid_share == 0.25
    values[:] = np.nan
    with pytest.raises(BadRasterError, match="not one pixel holds data"):
        inspect([write_tiff(tmp_path / "b.tif", values)], three, bands=["a", "b", "c"])
