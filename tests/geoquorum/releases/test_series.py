"""Versions of cubes with their wavelengths, and of every date at once, with an axis of time."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from fusion.pack import Pack
from fusion.sources import geotiff
from fusion.sources.geotiff import write_cog
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.catalog import services as catalog
from geoquorum.catalog.models import Region, Scene
from geoquorum.catalog.pixels import raster_of, read_samples
from geoquorum.queue.models import Job
from geoquorum.releases import chunks, cuts, services
from geoquorum.releases.forms import ReleaseForm
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db
WAVES = (480.0, 560.0, 650.0, 2200.0)


def read_whole(region: Region) -> tuple[np.ndarray, dict]:
    """The summer scene of a made-up city and where it lies."""
    asset = region.scenes.get(modality="sentinel2", season="summer").assets.get()
    values, _valid = geotiff.read_window(raster_of(asset), asset.bands, window=(0, 0, asset.width, asset.height))
    return values, {"epsg": asset.epsg, "transform": asset.transform}


def add_winter(region: Region, folder: Path) -> Scene:
    """The same city, half as bright, half a year later."""
    values, place = read_whole(region)
    bands = region.scenes.get(modality="sentinel2", season="summer").assets.get().bands
    path = write_cog(
        folder / f"winter-{region.slug}.tif", (values // 2).astype(np.uint16), nodata=0, band_names=bands,
        tags={"BOA_ADD_OFFSET": "0"}, **place,
    )  # fmt: skip
    captured = datetime(2035, 1, 5, tzinfo=UTC)
    [(scene, _)] = catalog.ingest(region=region, paths=[path], modality="sentinel2", captured=captured, season="winter")
    return scene


def add_cube(region: Region, folder: Path, waves: tuple[float, ...] = WAVES) -> Scene:
    values, place = read_whole(region)
    path = write_cog(
        folder / f"cube-{region.slug}.tif", values[:4].astype(np.int16), nodata=-32768,
        band_names=["b001", "b002", "b003", "b004"], tags={"WAVELENGTHS_NM": ",".join(map(str, waves))}, **place,
    )  # fmt: skip
    [(scene, _)] = catalog.ingest(region=region, paths=[path], modality="hyperspectral")
    return scene


@pytest.fixture
def run(settings, tmp_path) -> ConsensusRun:
    """The consensus on two made-up cities, each with a winter and a cube."""
    settings.GEOQUORUM_DATA = tmp_path / "data"
    project = given.project()
    regions = [given.city(project, number) for number in range(2)]
    for region in regions:
        add_winter(region, tmp_path)
        add_cube(region, tmp_path)
    return given.consensus(project, regions)


def hold_out(run: ConsensusRun) -> dict[str, object]:
    """The second city is for the test: the two lie in two zones."""
    cities = sorted(set(run.rows.values_list("sample__region__name", flat=True)))
    return {"kind": "city", "validation": [], "test": cities[1:]}


def build(run: ConsensusRun, *modalities: dict[str, str], name: str = "zones") -> DatasetVersion:
    made = services.start_release(run=run, name=name, modalities=list(modalities), design=hold_out(run), by=None)
    given.work(made.job, services.build)
    made.refresh_from_db()
    return made


def test_every_date_goes_in_as_an_axis_of_time_and_cubes_keep_their_wavelengths(run, monkeypatch):
    every = {"modality": "sentinel2", "season": "*"}
    version = build(run, every, {"modality": "hyperspectral", "season": ""})
    assert version.state == BuildState.READY, version.reason
    pack = Pack.open(Path(version.uri), verify=True)
    series, cube = pack.array("sentinel2"), pack.array("hyperspectral")
    assert (series.shape, series.times) == ((32, 2, 10, 32, 32), ("summer", "winter"))
    assert series.entry["dims"] == ["time", "band", "y", "x"]
    assert [band.wavelength_nm for band in cube.modality.bands] == list(WAVES)
    assert cube.dtype == np.int16
    samples = {row.sample.key: row.sample for row in run.rows.select_related("sample__region")}
    for place in (0, 17, 31):
        sample = samples[pack.samples["id"][place].as_py()]
        for time, season in enumerate(("summer", "winter")):
            assert np.array_equal(series[place][time], read_samples([sample], "sentinel2", season).values[0])
        assert np.array_equal(cube[place], read_samples([sample], "hyperspectral").values[0])
    files, written = pack.manifest["provenance"]["scenes"], pack.manifest["files"]
    assert all(len(found["sentinel2"]) == 2 for found in files.values())
    monkeypatch.setattr(cuts, "IN_MEMORY_BYTES", 1)
    monkeypatch.setattr(chunks, "LOOK_EVERY_S", 0.01)
    again = build(run, every, {"modality": "hyperspectral", "season": ""})
    assert again.state == BuildState.READY, again.reason
    assert Job.objects.filter(kind=chunks.KIND).exists(), "cut in chunks"
    assert Pack.open(Path(again.uri)).manifest["files"] == written


def test_all_dates_are_offered_where_there_are_several(run):
    form = ReleaseForm(run=run)
    offered = dict(form.fields["modalities"].choices)
    assert offered["sentinel2:*"] == "sentinel2, all dates as a series"
    assert {"sentinel2:", "sentinel2:summer", "sentinel2:winter"} <= set(offered)
    assert "sentinel1:*" not in offered
    assert "sentinel2:*" not in form.initial["modalities"]


def test_cubes_of_other_wavelengths_are_not_one_array(run, tmp_path):
    other = Region.objects.filter(samples__consensus__run=run).order_by("-pk").first()
    other.scenes.filter(modality="hyperspectral").delete()
    add_cube(other, tmp_path, waves=(490.0, 560.0, 650.0, 2200.0))
    version = build(run, {"modality": "hyperspectral", "season": ""})
    assert version.state == BuildState.FAILED
    assert "wavelengths differ" in version.reason


def test_regions_without_a_common_date_are_named(run):
    other = Region.objects.filter(samples__consensus__run=run).order_by("-pk").first()
    other.scenes.filter(modality="sentinel2").update(season="autumn")
    version = build(run, {"modality": "sentinel2", "season": "*"})
    assert version.state == BuildState.FAILED
    assert "share no date of sentinel2" in version.reason
