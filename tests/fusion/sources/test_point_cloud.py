"""Point clouds: headers that lie are refused before anything is allocated; heights come out where they were put in."""

import struct
import time

import laspy
import numpy as np
import pytest

from fusion import modality as modalities
from fusion.errors import BadFileError
from fusion.sources import geotiff
from fusion.sources.point_cloud import inspect_points, read_points
from fusion.sources.point_cloud.header import read_header
from fusion.sources.point_cloud.surfaces import make_surfaces, write_surfaces

WEST, SOUTH = 600_000.0, 5_300_000.0


def write(path, *, version="1.2", point_format=3, classes=True, epsg=32632, seed=1):
    """A flat terrain at 100 m with a block of 20 m and a tree of 8 m, about four points a square metre."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 40, (2, 6_400))
    z, codes = np.full(6_400, 100.0), np.full(6_400, 2)
    block = (x >= 10) & (x < 20) & (y >= 10) & (y < 20)
    tree = (x >= 30) & (x < 34) & (y >= 30) & (y < 34) & (rng.uniform(size=6_400) < 0.5)
    z[block], codes[block] = 120.0, 6
    z[tree], codes[tree] = 108.0, 5
    header = laspy.LasHeader(version=version, point_format=point_format)
    header.offsets, header.scales = [WEST, SOUTH, 0], [0.01, 0.01, 0.01]
    if epsg:
        from pyproj import CRS

        header.add_crs(CRS.from_epsg(epsg))
    las = laspy.LasData(header)
    las.x, las.y, las.z = WEST + x, SOUTH + y, z
    las.classification = codes if classes else np.zeros(6_400, dtype=int)
    las.write(path)
    return path


def patch(path, place, content):
    held = bytearray(path.read_bytes())
    held[place : place + len(content)] = content
    path.write_bytes(held)
    return path


def refused_at_once(path) -> str:
    began = time.process_time()
    with pytest.raises(BadFileError) as caught:
        inspect_points(path)
    assert time.process_time() - began < 1
    assert str(caught.value).startswith(f"{path.name}: ")
    return str(caught.value)


@pytest.mark.parametrize(("name", "version", "point_format"), [("a.las", "1.2", 3), ("a.laz", "1.4", 6)])
def test_what_a_cloud_holds_is_said(tmp_path, name, version, point_format):
    [info] = inspect_points(write(tmp_path / name, version=version, point_format=point_format))
    assert info.points == 6_400
    assert info.format == f"{name[-3:].upper()} {version}"
    assert info.epsg == 32632
    assert info.bounds == pytest.approx((WEST, SOUTH, 100, WEST + 40, SOUTH + 40, 120), abs=0.05)
    assert sum(info.classes.values()) == 6_400
    assert set(info.classes) == {2, 5, 6}


def test_heights_are_where_they_were_put(tmp_path):
    surfaces = make_surfaces(write(tmp_path / "a.laz"), 2.0)
    assert surfaces.transform[2:6:3] == (WEST, SOUTH + 40)
    assert surfaces.is_ground_classified
    rows, columns = slice(11, 14), slice(6, 9)  # y 12 to 18, x 12 to 18: inside the block
    assert np.allclose(surfaces.surface[rows, columns], 120)
    assert np.allclose(surfaces.terrain[rows, columns], 100)
    assert np.allclose(surfaces.above_ground[rows, columns], 20)
    assert np.nanmax(surfaces.above_ground[3:5, 15:17]) == pytest.approx(8)
    assert np.nanmedian(surfaces.above_ground) == 0
    assert np.nanmax(surfaces.canopy) == pytest.approx(8)
    assert surfaces.canopy[12, 7] == 0, "the block is no tree"
    assert surfaces.count.sum() == 6_400
    [info] = geotiff.inspect([write_surfaces(surfaces, tmp_path / "heights.tif")], modalities.find("lidar_heights"))
    assert info.used == ("surface", "terrain", "above_ground", "canopy")
    assert geotiff.read_window(info, ["above_ground"])[0][0, 12, 7] == pytest.approx(20)


def test_without_ground_classes_terrain_is_what_is_wide_and_low(tmp_path):
    """The block is wider than the seven pixels that are opened away, so pixels are taken of which it has five."""
    surfaces = make_surfaces(write(tmp_path / "a.las", classes=False), 2.0)
    assert not surfaces.is_ground_classified
    assert "rough" in surfaces.notes[-1]
    assert np.allclose(surfaces.above_ground[11:14, 6:9], 20)


def test_columns_are_read_whole(tmp_path):
    columns = read_points(write(tmp_path / "a.laz"))
    assert {"x", "y", "z", "classification"} <= set(columns)
    assert columns["x"].min() >= WEST - 0.01
    assert len(columns["z"]) == 6_400


POINTS, RECORDS, OFFSET, FORMAT, LENGTH = 107, 100, 96, 104, 105
LIES = [
    (POINTS, struct.pack("<I", 4_000_000_000), "points, the limit is"),
    (POINTS, struct.pack("<I", 1_900_000_000), "it claims 1,900,000,000 points"),
    (POINTS, struct.pack("<I", 7_000), "it claims 7,000 points"),
    (RECORDS, struct.pack("<I", 4_000_000_000), "it claims 4,000,000,000 records"),
    (OFFSET, struct.pack("<I", 4_000_000_000), "its points begin at byte 4,000,000,000"),
    (OFFSET, struct.pack("<I", 3), "its header claims"),
    (94, struct.pack("<H", 65_535), "its header claims"),
    (FORMAT, b"\x0b", "format 11"),
    (LENGTH, struct.pack("<H", 3), "with 3 bytes"),
    (24, b"\x09\x09", "version is 9.9"),
    (131, struct.pack("<d", float("nan")), "scaled by"),
    (131, struct.pack("<d", 0.0), "scaled by"),
    (0, b"NOPE", "does not begin with LASF"),
]


@pytest.mark.parametrize(("place", "content", "words"), LIES)
def test_a_header_that_claims_what_cannot_be_is_refused_in_a_second(tmp_path, place, content, words):
    assert words in refused_at_once(patch(write(tmp_path / "a.las"), place, content))


def test_a_packed_cloud_that_claims_too_much_is_refused_in_a_second(tmp_path):
    path = write(tmp_path / "a.laz")
    first = struct.unpack_from("<I", path.read_bytes(), OFFSET)[0]
    whole = path.read_bytes()
    assert "nothing packs so well" in refused_at_once(patch(path, POINTS, struct.pack("<I", 1_900_000_000)))
    path.write_bytes(whole)
    assert "table of chunks" in refused_at_once(patch(path, first, struct.pack("<q", 2**60)))
    path.write_bytes(whole)
    table = struct.unpack_from("<q", whole, first)[0]
    assert "chunks for 6,400 points" in refused_at_once(patch(path, table + 4, struct.pack("<I", 2**31)))


def test_extended_records_must_lie_in_the_file(tmp_path):
    path = write(tmp_path / "a.laz", version="1.4", point_format=6)
    lie = struct.pack("<QI", 300, 4_000_000_000)
    assert "extended records" in refused_at_once(patch(path, 235, lie))


def test_a_cut_cloud_is_refused(tmp_path):
    path = write(tmp_path / "a.las")
    whole = path.read_bytes()
    for size in (0, 3, 100, 226, 300, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused_at_once(path)


@pytest.mark.slow
def test_a_flipped_or_cut_packed_cloud_never_breaks_the_caller(tmp_path):
    path = write(tmp_path / "a.laz")
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(whole), 15).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            [info] = inspect_points(path)
        except BadFileError:
            continue
        assert info.points == 6_400
    for size in rng.integers(0, len(whole), 6).tolist():
        path.write_bytes(whole[:size])
        with pytest.raises(BadFileError, match=r"a\.laz"):
            inspect_points(path)


def test_a_wrong_crs_is_refused_and_one_stated_instead_is_taken(tmp_path):
    path = write(tmp_path / "a.las", epsg=2991)  # Oregon
    with pytest.raises(BadFileError, match="outside the area of EPSG:2991"):
        inspect_points(path)
    [info] = inspect_points(path, epsg=32632)
    assert info.epsg == 32632
    assert "EPSG:32632 as stated by the caller, the file says 2991" in info.notes


def test_a_grid_too_large_is_refused(tmp_path):
    with pytest.raises(BadFileError, match="Take larger ones"):
        make_surfaces(write(tmp_path / "a.las"), 0.001)


def test_a_header_is_read_without_any_library(tmp_path):
    header = read_header(write(tmp_path / "a.laz", version="1.4", point_format=7))
    assert (header.points, header.point_format, header.is_compressed) == (6_400, 7, True)
