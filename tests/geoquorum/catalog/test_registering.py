"""Scenes beside each other: the shift of each against the reference, measured at ingest, flagged, shown, handed on."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from django.urls import reverse

from fusion.modality import find
from fusion.registration import Shift
from fusion.sources.geotiff import read_window, write_cog
from geoquorum.catalog import registering, services, shifts
from geoquorum.catalog.models import Region
from tests import given

pytestmark = pytest.mark.django_db
ORIGIN = 499_840, 5_299_840  # a corner of cells of 320 m


def write_beside(path: Path, year: int, east_m: float = 0.0) -> Path:
    """The city's summer scene as of another year, with noise of its own, so many metres beside its place."""
    planned, files = given.city_files()
    values, valid = read_window(files.sentinel2["summer"])
    noisy = values + np.random.default_rng(year).normal(0, 60, values.shape)
    stored = np.where(valid, noisy.clip(1, 65_535), 0).astype(np.uint16)
    place = (10.0, 0.0, planned.origin[0] + east_m, 0.0, -10.0, planned.origin[1])
    tags = {"BOA_ADD_OFFSET": "0", "TIFFTAG_DATETIME": f"{year}:07:01 10:30:00", "SIMULATED": "yes"}
    names = find("sentinel2").band_names
    return write_cog(path, stored, epsg=planned.epsg, transform=place, nodata=0, band_names=names, tags=tags)


def write_elevation(path: Path) -> Path:
    planned, _files = given.city_files()
    heights = np.random.default_rng(0).uniform(1, 9, (1, 128, 128)).astype(np.float32)
    place = (10.0, 0.0, planned.origin[0], 0.0, -10.0, planned.origin[1])
    return write_cog(path, heights, epsg=planned.epsg, transform=place, nodata=-32768, band_names=("elevation",))


def ingest(*paths: Path, modality: str, region: str = "Beside") -> tuple[Region, str]:
    out = StringIO()
    call_command("ingest", *map(str, paths), "--modality", modality, "--region", region, stdout=out)
    return Region.objects.get(name=region), out.getvalue()


def by_scene(region: Region) -> dict[str, dict]:
    return {one["scene"]: one for one in region.attributes["registration"]}


def test_a_scene_15_m_beside_the_others_is_flagged_told_and_shown(client, tmp_path):
    years = {"new": (2020, 0.0), "beside": (2018, 15.0), "good": (2019, 0.0)}
    paths = [write_beside(tmp_path / f"{name}.tif", *facts) for name, facts in years.items()]
    region, words = ingest(*paths, modality="sentinel2")
    found = by_scene(region)
    assert [one["is_flagged"] for one in (found["new"], found["good"], found["beside"])] == [False, False, True]
    assert found["beside"]["shift_m"] == pytest.approx([15, 0], abs=1)
    assert found["beside"]["shift_px"] == pytest.approx([1.5, 0], abs=0.1)
    assert found["good"]["shift_m"] == pytest.approx([0, 0], abs=1)
    assert (found["good"]["method"], found["beside"]["method"]) == ("on the grid", "bilinear")
    assert (found["good"]["source_pixel_m"], found["good"]["tiles"]) == ([10.0], {"sure": 1, "of": 1})
    assert (found["good"]["against"], found["new"]["against"]) == ("new", None)
    told = [line for line in words.splitlines() if "against" in line]
    assert len(told) == 1
    assert "beside lies 1" in told[0]
    assert "Check its CRS and transform" in told[0]

    client.force_login(given.member(region.project))
    page = client.get(reverse("catalog:region", args=[region.pk])).content.decode()
    assert page.count(">shifted</span>") == 1
    assert "Check its CRS and transform" in page
    assert "10 m, bilinear" in page
    assert page.count("10 m, on the grid") == 2
    assert "m E, " in page


def test_what_cannot_be_compared_says_so_and_is_not_zero(client, tmp_path):
    region = services.get_region(project=given.project(), name="Unlike")
    planned, _files = given.city_files()
    even = np.full((2, 128, 128), -10, np.float32)
    place = (10.0, 0.0, planned.origin[0], 0.0, -10.0, planned.origin[1])
    write_cog(tmp_path / "sea.tif", even, epsg=planned.epsg, transform=place, nodata=None, band_names=("VV", "VH"))
    far = (*place[:2], place[2] + 20_000, *place[3:])
    write_cog(tmp_path / "far.tif", even, epsg=planned.epsg, transform=far, nodata=None, band_names=("VV", "VH"))
    services.ingest(region=region, paths=[write_beside(tmp_path / "optical.tif", 2020)], modality="sentinel2")
    services.ingest(region=region, paths=[tmp_path / "sea.tif", tmp_path / "far.tif"], modality="sentinel1_grd")
    services.ingest(region=region, paths=[write_elevation(tmp_path / "hills.tif")], modality="elevation")
    assert registering.register_region(region=region).describe() == []
    found = by_scene(region)
    assert {name: one["reason"] for name, one in found.items()} == {
        "optical": "the others are measured against it",
        "sea": "even ground",
        "far": "no ground in common with optical",
        "hills": "no band that could be compared",
    }
    assert all(one["shift_m"] is None and not one["is_sure"] and not one["is_flagged"] for one in found.values())
    client.force_login(given.member(region.project))
    page = client.get(reverse("catalog:region", args=[region.pk])).content.decode()
    assert ">shifted</span>" not in page
    for said in ("unsure<br><small>even ground", "not measured<br><small>no band", ">reference<"):
        assert said in page


def test_a_made_up_city_of_two_sensors_is_not_flagged():
    region = given.city(given.project())
    found = registering.register_region(region=region)
    assert not found.flagged
    assert {one["modality"]: one["against"] for one in found.scenes}["sentinel2"] is None


def test_a_file_that_is_gone_is_told_and_measured_when_it_is_back(tmp_path):
    region = services.get_region(project=given.project(), name="Gone")
    for name, year in (("here", 2020), ("gone", 2019)):
        path = write_beside(tmp_path / f"{name}.tif", year)
        services.ingest(region=region, paths=[path], modality="sentinel2")
    (tmp_path / "gone.tif").rename(tmp_path / "elsewhere")
    found = registering.register_region(region=region)
    assert len(found.troubles) == 1
    assert "gone.tif" in found.describe()[0]
    assert by_scene(region)["gone"]["shift_m"] is None
    (tmp_path / "elsewhere").rename(tmp_path / "gone.tif")
    again = registering.register_region(region=region)
    assert not again.troubles
    assert by_scene(region)["gone"]["is_sure"]
    for path in tmp_path.iterdir():
        path.unlink()
    kept = registering.register_region(region=region)  # nothing changed: no file is opened
    assert (kept.scenes, kept.troubles) == (again.scenes, [])


def test_what_a_manifest_says_is_the_same_twice_and_forgets_other_files(tmp_path):
    region = services.get_region(project=given.project(), name="Manifest")
    for name, year, east_m in (("new", 2020, 0.0), ("old", 2019, 15.0)):
        path = write_beside(tmp_path / f"{name}.tif", year, east_m)
        services.ingest(region=region, paths=[path], modality="sentinel2")
    scenes = list(region.scenes.all())
    before = registering.describe_registration(region, scenes, region.epsg, 10.0)
    assert {one["reason"] for one in before} == {"not measured yet"}
    registering.register_region(region=region)
    told = registering.describe_registration(region, scenes, region.epsg, 10.0)
    assert [one["scene"] for one in told] == ["new", "old"]
    assert told[1]["is_flagged"]
    assert set(told[1]) == {
        "scene", "method", "source_pixel_m", "against", "shift_m", "shift_px", "tiles", "is_sure", "limit_px",
        "is_flagged", "reason",
    }  # fmt: skip
    Region.objects.filter(pk=region.pk).update(attributes={})
    registering.register_region(region=Region.objects.get(pk=region.pk))
    again = Region.objects.get(pk=region.pk)
    assert registering.describe_registration(again, scenes, region.epsg, 10.0) == told
    region.scenes.get(name="old").assets.update(sha256="f" * 64)
    [_new, old] = registering.describe_registration(again, list(region.scenes.all()), region.epsg, 10.0)
    assert old["reason"] == "not measured yet"


def test_the_command_says_how_each_scene_lies(tmp_path):
    region = services.get_region(project=given.project(), name="Told")
    path = write_beside(tmp_path / "one.tif", 2020)
    services.ingest(region=region, paths=[path], modality="sentinel2")
    out = StringIO()
    call_command("register", "--project", region.project.slug, "--region", "Told", stdout=out)
    assert out.getvalue() == "Region Told: sentinel2 one: 10 m, on the grid; reference\n"


@pytest.mark.parametrize(
    ("windows", "limit_px", "is_flagged", "reason"),
    [
        ([(1.5, 0.0)], shifts.LIMIT_PX, True, ""),
        ([(0.3, 0.3)], shifts.LIMIT_PX, False, ""),
        ([(1.2, -0.4), (1.4, -0.2), (9.0, 9.0)], shifts.UNLIKE_LIMIT_PX, False, ""),  # as layover does
        ([(-2.0, 1.0), (-2.1, 1.1), None], shifts.UNLIKE_LIMIT_PX, True, ""),
        ([(3.0, 0.0), (-3.0, 0.0)], shifts.LIMIT_PX, False, "the windows do not agree"),
        ([None, None], shifts.LIMIT_PX, False, "even ground"),
    ],
)
def test_windows_are_joined_by_their_median_and_flagged_beyond_the_limit(windows, limit_px, is_flagged, reason):
    measured = [
        Shift(east_px=one[0], north_px=one[1], ratio=5.0) if one else Shift(reason="even ground") for one in windows
    ]
    found = shifts.join_windows(measured, 0.5, 20.0, limit_px * 0.5)
    assert (found["is_flagged"], found["reason"]) == (is_flagged, reason)
    assert found["tiles"] == {"sure": sum(one is not None for one in windows), "of": len(windows)}
    assert found["is_sure"] is (not reason)
    if not reason:
        assert found["shift_m"] == pytest.approx(np.array(found["shift_px"]) * 20, abs=0.11)
        assert found["shift_m"] == pytest.approx(np.median([one for one in windows if one], axis=0) * 10, abs=0.01)


def test_windows_are_spread_over_the_common_ground_in_whole_cells():
    west, south = ORIGIN
    for side_m, count, across in ((110_000, 4, 8), (1_280, 1, 4), (3_000, 1, 8), (300, 0, 0)):
        box = west, south, west + side_m, south + side_m
        frames = shifts.lay_windows(box, 32632, 10.0)
        assert len(frames) == count
        for frame in frames:
            assert (frame.across, frame.cell_m, frame.pixels) == (across, 320, 32)
            assert box[0] <= frame.west_m
            assert frame.west_m + frame.size_m <= box[2]
            assert frame.north_m <= box[3]
    four = shifts.lay_windows((west, south, west + 110_000, south + 110_000), 32632, 10.0)
    assert len({frame.west_m for frame in four}) == len({frame.north_m for frame in four}) == 2
    assert shifts.lay_windows((west, south, np.inf, np.inf), 32632, 10.0) == []
    fine = shifts.lay_windows((west, south, west + 300, south + 300), 32632, 0.5)
    assert {frame.cell_m for frame in fine} == {20}
