"""Files into scenes, regions into patches: taken whole and checked, or not at all."""

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from fusion import grid
from fusion import scheme as schemes
from fusion.errors import BadInputError, BadRasterError, NoLocationError, UnknownKindError
from fusion.modality import find
from fusion.sources.geotiff import write_cog
from fusion.world.world import cell_truth
from geoquorum.accounts.models import Project
from geoquorum.catalog import services
from geoquorum.catalog.models import Asset, Reference, Region, Sample, Scene
from tests import given

pytestmark = pytest.mark.django_db
TOP = (500_000 - 500_000 % 320, 5_300_000 - 5_300_000 % 320)


def write_sentinel2(path: Path, *, cells: int = 1, offset: float | None = -1000.0, epsg: int = 32632) -> Path:
    """Ten bands of one number each: 1500, 1600, ... on `cells` x `cells` cells of the grid."""
    bands = find("sentinel2").band_names
    levels = np.arange(1500, 1500 + 100 * len(bands), 100, dtype=np.uint16)
    array = np.broadcast_to(levels[:, None, None], (len(bands), 32 * cells, 32 * cells)).copy()
    tags = {} if offset is None else {"BOA_ADD_OFFSET": str(offset)}
    transform = (10, 0, TOP[0], 0, -10, TOP[1] + 320 * cells)
    return write_cog(path, array, epsg=epsg, transform=transform, nodata=0, band_names=bands, tags=tags)


def run_ingest(*words: str) -> str:
    out = StringIO()
    call_command("ingest", *words, stdout=out)
    return out.getvalue()


def count_rows() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (Project, Region, Scene, Asset, Sample, Reference)}


def test_a_made_up_city_is_taken_with_all_that_is_known_of_its_files():
    region = given.city(given.project())
    optical = region.scenes.get(modality="sentinel2")
    asset = optical.assets.get()
    planned, files = given.city_files()
    assert region.is_simulated
    assert optical.is_simulated
    assert (optical.season, optical.epsg) == ("summer", planned.epsg)
    assert optical.captured_from.date().strftime("%Y%m%d") in files.sentinel2["summer"].name
    assert asset.bands == list(find("sentinel2").band_names)
    assert asset.uri == str(files.sentinel2["summer"].resolve())
    assert (asset.width, asset.height) == (planned.size_px, planned.size_px)
    assert len(asset.sha256) == 64
    assert region.epsg == planned.epsg
    assert region.west < planned.lon < region.east


def test_patches_lie_on_the_grid_and_cover_the_scenes_exactly():
    region = given.city(given.project())
    planned, _files = given.city_files()
    cells = [grid.parse_cell(sample.cell) for sample in region.samples.all()]
    assert len(cells) == len(set(cells)) == given.CELLS**2
    bounds = np.array([cell.bounds for cell in cells])
    west, north = planned.origin
    side = given.CELLS * 320
    assert (bounds[:, 0].min(), bounds[:, 1].min()) == (west, north - side)
    assert (bounds[:, 2].max(), bounds[:, 3].max()) == (west + side, north)


def test_a_patch_knows_its_place_size_and_dates():
    sample = given.city(given.project()).samples.order_by("key").first()
    cell = grid.parse_cell(sample.cell)
    assert (sample.longitude, sample.latitude) == pytest.approx(cell.centre_lonlat)
    assert sample.transform == [10, 0, cell.bounds[0], 0, -10, cell.bounds[3]]
    assert (sample.width_px, sample.height_px, sample.pixel_size_m) == (32, 32, 10)
    assert sample.captured_from <= sample.captured_to
    assert sample.is_simulated


def test_references_are_the_majority_of_the_known_truth():
    region = given.city(given.project())
    planned, _files = given.city_files()
    labels, shares = cell_truth(planned)
    codes = schemes.find("lcz17").codes
    for sample in region.samples.all():
        bounds = grid.parse_cell(sample.cell).bounds
        row = round((planned.origin[1] - bounds[3]) / 320)
        column = round((bounds[0] - planned.origin[0]) / 320)
        reference = sample.references.get()
        assert reference.code == codes[labels[row, column]]
        assert max(reference.distribution) == pytest.approx(shares[row, column], abs=1e-6)


def test_the_same_file_twice_is_one_scene_with_one_asset():
    project = given.project()
    first = given.city(project)
    again = given.city(project)
    assert first.pk == again.pk
    assert Scene.objects.count() == Asset.objects.count() == 2
    assert Sample.objects.count() == given.CELLS**2


def test_a_patch_is_cut_only_where_every_modality_covers_it(tmp_path):
    region = services.get_region(project=given.project(), name="Halfway")
    services.ingest(region=region, paths=[write_sentinel2(tmp_path / "two.tif", cells=2)], modality="sentinel2")
    assert len(services.cut_patches(region=region)) == 4
    radar = np.full((2, 32, 32), -10.0, dtype=np.float32)
    path = write_cog(
        tmp_path / "radar.tif", radar, epsg=32632, transform=(10, 0, TOP[0], 0, -10, TOP[1] + 320), nodata=None,
        band_names=("VV", "VH"),
    )  # fmt: skip
    services.ingest(region=region, paths=[path], modality="sentinel1_grd")
    assert len(services.cut_patches(region=region)) == 1


@pytest.mark.parametrize("fault", ["no offset", "not a raster", "wrong bands", "missing"])
def test_a_refused_file_is_named_and_stores_nothing(tmp_path, fault):
    good, bad = write_sentinel2(tmp_path / "good.tif"), tmp_path / "bad.tif"
    if fault == "no offset":
        write_sentinel2(bad, offset=None)
    elif fault == "not a raster":
        bad.write_bytes(b"II*\0" + b"nonsense" * 50)
    elif fault == "wrong bands":
        transform = (10, 0, TOP[0], 0, -10, TOP[1] + 320)
        write_cog(
            bad, np.zeros((1, 32, 32), np.uint16), epsg=32632, transform=transform, nodata=0, band_names=("height",)
        )
    before = count_rows()
    with pytest.raises(CommandError, match=r"bad\.tif"):
        call_command("ingest", str(good), str(bad), "--modality", "sentinel2", "--project", "new-one")
    assert count_rows() == before


def test_a_refused_file_leaves_the_scene_that_stands(tmp_path):
    region = services.get_region(project=given.project(), name="Steady")
    path = write_sentinel2(tmp_path / "scene.tif")
    services.ingest(region=region, paths=[path], modality="sentinel2")
    before = region.scenes.get().assets.get().sha256
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadRasterError, match=r"scene\.tif"):
        services.ingest(region=region, paths=[path], modality="sentinel2")
    assert region.scenes.get().assets.get().sha256 == before


def test_an_unknown_modality_is_answered_with_the_known_ones(tmp_path):
    path = write_sentinel2(tmp_path / "scene.tif")
    region = services.get_region(project=given.project(), name="Nowhere")
    with pytest.raises(UnknownKindError, match=r"'sentinel9'.*sentinel1.*sentinel2"):
        services.ingest(region=region, paths=[path], modality="sentinel9")
    with pytest.raises(CommandError, match=r"'sentinel9'.*sentinel1.*sentinel2"):
        call_command("ingest", str(path), "--modality", "sentinel9")
    assert not Scene.objects.exists()


def test_the_command_says_what_it_took(tmp_path):
    path = write_sentinel2(tmp_path / "scene.tif", cells=2)
    words = run_ingest(str(path), "--modality", "sentinel2", "--region", "Smallville", "--date", "2023-07-01")
    assert "scene.tif: B2, B3" in words
    assert "offset -1000" in words
    assert "2023-07-01" in words
    assert "Region Smallville: 4 patches of 320 m are covered whole." in words
    scene = Scene.objects.get()
    assert (scene.season, scene.captured_from) == ("summer", datetime(2023, 7, 1, tzinfo=UTC))


def test_the_command_answers_in_json_where_asked(tmp_path):
    first, second = write_sentinel2(tmp_path / "one.tif"), write_sentinel2(tmp_path / "two.tif", cells=2)
    said = json.loads(run_ingest(str(first), str(second), "--modality", "sentinel2", "--json"))
    assert said["patches"] == {"one": 1, "two": 4}
    facts = said["scenes"][0]["files"][0]
    assert (facts["epsg"], facts["offset"], facts["invalid_share"]) == (32632, -1000.0, 0.0)
    assert facts["sha256"] == Asset.objects.get(uri__endswith="one.tif").sha256


def test_patches_of_another_size_are_other_samples(tmp_path):
    path = write_sentinel2(tmp_path / "scene.tif", cells=2)
    run_ingest(str(path), "--modality", "sentinel2", "--cell-m", "160", "--pixels", "16")
    assert set(Sample.objects.values_list("width_px", "pixel_size_m")) == {(16, 10.0)}
    assert Sample.objects.count() == 16


@pytest.mark.parametrize(("option", "value"), [("--date", "July"), ("--project", "../elsewhere")])
def test_a_bad_option_is_named(tmp_path, option, value):
    with pytest.raises(CommandError, match=option):
        call_command("ingest", str(write_sentinel2(tmp_path / "a.tif")), "--modality", "sentinel2", option, value)


def test_region_names_make_slugs_that_are_safe_and_distinct():
    project = given.project()
    names = ["São Paulo", "Sao Paulo", "北京", "東京", "../etc", "x" * 120]
    regions = [services.get_region(project=project, name=name) for name in names]
    slugs = [region.slug for region in regions]
    assert len(set(slugs)) == len(names)
    assert all(set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") and slug for slug in slugs)
    assert services.get_region(project=project, name="北京").pk == regions[2].pk
    with pytest.raises(BadInputError, match="121"):
        services.get_region(project=project, name="x" * 121)


def test_a_region_without_a_place_cannot_be_cut():
    with pytest.raises(NoLocationError, match="Ingest a georeferenced scene"):
        services.cut_patches(region=given.region(given.project()))


def test_the_flood_chip_is_taken_in_degrees_and_cut_on_the_grid(real_data):
    folder = real_data / "s1s2-coregistered-flood"
    words = ["--region", "Spain", "--date", "2019-09-14", "--cell-m", "160", "--pixels", "16"]
    run_ingest(str(folder / "Spain_7370579_S1Hand.tif"), "--modality", "sentinel1_grd", *words)
    run_ingest(str(folder / "Spain_7370579_S2Hand.tif"), "--modality", "sentinel2", "--offset", "0", *words)
    region = Region.objects.get(name="Spain")
    assert region.epsg == 32630
    assert set(region.scenes.values_list("modality", flat=True)) == {"sentinel1_grd", "sentinel2"}
    assert region.scenes.get(modality="sentinel2").assets.get().bands[:3] == ["B1", "B2", "B3"]
    assert region.samples.count() > 500


def test_a_folder_of_bands_is_one_scene_with_a_file_for_each_band(real_data):
    folder = next((real_data / "s1s2-coregistered-ssl4eo" / "s2c" / "0000200").iterdir())
    said = json.loads(run_ingest(str(folder), "--modality", "sentinel2", "--offset", "0", "--json"))
    scene = Scene.objects.get()
    assert scene.name == folder.name
    assert {band for asset in scene.assets.all() for band in asset.bands} == set(find("sentinel2").band_names)
    assert list(said["patches"].values()) > [0]
