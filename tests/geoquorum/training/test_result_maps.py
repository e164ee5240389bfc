"""Maps that a trained run draws of a held-out city: files, layers, pages, refusals, and what goes on after a stop."""

import io
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from django.urls import reverse
from PIL import Image
from rio_cogeo.cogeo import cog_validate

from fusion import grid, maps
from fusion import scheme as schemes
from fusion.errors import BadInputError, SpecError
from fusion.mapping.tiles import describe_tile
from fusion.pack import Pack
from geoquorum.campaigns import services as campaigns
from geoquorum.catalog.models import Region, Sample
from geoquorum.queue.models import Job, JobState
from geoquorum.training import launcher, layers, map_areas, map_parts, mapping, mosaics, services
from geoquorum.training.models import MapProduct, Run, RunState
from tests import given
from tests.geoquorum.training.pages import log_in, read_page

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def product(run):
    """The map of the held-out city by that run."""
    region = Region.objects.get(project=run.project, name=run.version.summary["cities"]["test"][0])
    made = mapping.start_map(run=run, region=region, by=None)
    given.work(made.job, mapping.execute_map)
    made.refresh_from_db()
    return made


def test_a_map_is_a_cloud_optimised_geotiff_with_its_confidence(product):
    assert product.state == RunState.DONE, product.reason
    planned, _files = given.city_files(2)
    with rasterio.open(product.uri) as dataset:
        assert (dataset.driver, dataset.crs.to_epsg(), dataset.res) == ("GTiff", planned.epsg, (100.0, 100.0))
        assert (dataset.bounds.left, dataset.bounds.top) == planned.origin
        assert dataset.shape == (13, 13), "128 scene pixels hold the centres of 13 map pixels"
        assert dataset.colormap(1)[1] != dataset.colormap(1)[2]
        assert dataset.tags()["SIMULATED"] == "yes"
        codes = dataset.read(1)
    assert set(np.unique(codes)) <= {label.value for label in schemes.find("lcz17").classes}
    assert cog_validate(product.uri, strict=True) == (True, [], [])
    assert cog_validate(product.confidence_uri, strict=True) == (True, [], [])
    with rasterio.open(product.confidence_uri) as sure:
        assert sure.descriptions[:3] == ("Probability", "Entropy", "Validity")
        assert sure.tags()["SIMULATED"] == "yes"
        probability, entropy, validity = sure.read([1, 2, 3])
    assert 100 / 17 <= probability.min() <= probability.max() <= 100
    assert 0 <= entropy.min() <= entropy.max() <= 100
    assert set(validity.ravel().tolist()) == {100}


def test_a_map_says_how_it_agrees_with_what_is_known(product):
    agreement = product.summary["agreement"]
    assert agreement["source"] == "simulated truth"
    assert agreement["n"] == given.CELLS**2
    assert 0 <= agreement["oa"]["value"] <= 1
    assert sum(product.summary["shares"].values()) == pytest.approx(1, abs=1e-4)


def test_the_reference_lies_on_the_map_raster(product):
    scheme = schemes.find("lcz17")
    index = maps.read_map(product.summary["reference_uri"], scheme)
    with rasterio.open(product.uri) as dataset:
        assert index.shape == dataset.shape
        for sample in Sample.objects.filter(region=product.region):
            west, south, east, north = grid.parse_cell(sample.cell).bounds
            row, column = dataset.index((west + east) / 2, (south + north) / 2)
            if index[row, column] >= 0:
                assert scheme.codes[index[row, column]] == sample.references.get().code


def test_the_page_of_a_map_shows_legend_and_files(product, client):
    page = read_page(log_in(client, product.run, "expert"), "map", product.pk)
    assert "map-layers" in page
    assert reverse("training:download_map", args=[product.pk, "layers"]) in page
    for title in ("Probability", "Entropy", "Validity", "Reference"):
        assert f">{title}</option>" in page
    assert "Map, km²" in page
    assert "too few samples of a class" in page or "Estimate, km²" in page
    assert product.sha256[:16] in page
    assert "simulated" in page.lower()


@pytest.mark.parametrize("layer", ["classes", "probability", "entropy", "validity", "imagery", "reference"])
def test_every_layer_is_a_picture(product, client, layer):
    answer = log_in(client, product.run).get(reverse("training:layer", args=[product.pk, layer]))
    image = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert answer["Content-Type"] == "image/png"
    assert image.shape[2] == 4
    assert image[..., 3].max() == 255
    assert "private" in answer["Cache-Control"]


def test_every_layer_lies_where_its_own_raster_does(product):
    """The imagery reaches as far as the scene; the map's last pixels reach a little further."""
    found = layers.map_layers(product)["layers"]
    assert found["classes"]["bounds"] == found["entropy"]["bounds"] == found["reference"]["bounds"]
    [[south, west], [north, east]] = found["imagery"]["bounds"]
    [[map_south, map_west], [map_north, map_east]] = found["classes"]["bounds"]
    pixel = 10 / 111_000
    assert (west, north) == pytest.approx((map_west, map_north), abs=2 * pixel)
    assert map_east - east == pytest.approx(2 * pixel, abs=2 * pixel)
    assert south - map_south == pytest.approx(2 * pixel, abs=2 * pixel)
    assert layers.map_layers(product)["layers"] == found, "bounds come back from the cache as they were"


def test_files_of_a_map_are_handed_out_by_name_of_their_part(product, client):
    log_in(client, product.run)
    answer = client.get(reverse("training:download_map", args=[product.pk, "classes"]))
    assert b"".join(answer.streaming_content) == Path(product.uri).read_bytes()
    answer = client.get(reverse("training:download_map", args=[product.pk, "layers"]))
    assert b"".join(answer.streaming_content) == Path(product.confidence_uri).read_bytes()
    for part in ("reference", "spec", "confidence", "probabilities", "etc"):
        assert client.get(reverse("training:download_map", args=[product.pk, part])).status_code == 404
    assert client.get(reverse("training:layer", args=[product.pk, "secrets"])).status_code == 404


def test_a_map_is_hidden_from_experts_while_its_city_is_voted_on(product, client):
    samples = list(Sample.objects.filter(region=product.region)[:2])
    again = given.campaign(product.run.project, samples=samples)
    addresses = [
        reverse("training:map", args=[product.pk]),
        reverse("training:layer", args=[product.pk, "classes"]),
        reverse("training:download_map", args=[product.pk, "classes"]),
    ]
    expert = log_in(client, product.run, "expert")
    assert [expert.get(address).status_code for address in addresses] == [403] * 3
    curator = log_in(client, product.run, "curator")
    assert [curator.get(address).status_code for address in addresses] == [200] * 3
    campaigns.close_campaign(campaign=again, by=None)
    expert = log_in(client, product.run, "expert")
    assert [expert.get(address).status_code for address in addresses] == [200] * 3


def test_a_map_that_stands_is_not_drawn_again(product):
    jobs = Job.objects.count()
    again = mapping.start_map(run=product.run, region=product.region, by=None)
    assert (again.pk, again.state, Job.objects.count()) == (product.pk, RunState.DONE, jobs)


def test_a_map_that_failed_can_be_asked_for_again(run, client):
    region = given.region(run.project, "Nowhere")
    product = mapping.start_map(run=run, region=region, by=None)
    job = given.work(product.job, mapping.execute_map)
    product.refresh_from_db()
    assert (product.state, job.state) == (RunState.FAILED, JobState.FAILED)
    assert "has no sentinel1 scene" in product.reason
    assert "has no sentinel1 scene" in read_page(log_in(client, run), "map", product.pk)
    assert mapping.start_map(run=run, region=region, by=None).state == RunState.QUEUED


def test_a_map_is_asked_for_on_the_page(run, client):
    region = run.project.regions.exclude(name=run.version.summary["cities"]["test"][0]).first()
    answer = log_in(client, run).post(reverse("training:start_map", args=[run.pk]), {"region": region.pk})
    product = MapProduct.objects.latest("pk")
    assert (answer.url, product.state) == (reverse("training:map", args=[product.pk]), RunState.QUEUED)
    assert 'hx-trigger="every 2s"' in read_page(client, "map", product.pk)
    other = given.region(given.project(), "Foreign")
    wrong = client.post(reverse("training:start_map", args=[run.pk]), {"region": other.pk})
    assert wrong.status_code == 404
    assert client.post(reverse("training:start_map", args=[run.pk]), {"region": "²"}).status_code == 404


def test_only_a_finished_run_draws_maps(run):
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, report=None)
    with pytest.raises(SpecError, match="only a finished run"):
        mapping.start_map(run=Run.objects.get(pk=run.pk), region=run.project.regions.first(), by=None)


def test_scenes_with_other_pixels_than_learned_are_refused(run):
    region = run.project.regions.first()
    bands = Pack.open(run.version.uri).array("sentinel2").bands
    mosaic = mosaics.describe_mosaic(region, "sentinel2", "summer", bands)
    with pytest.raises(BadInputError, match=r"pixels of 10 .*learned from pixels of 20 m"):
        mosaics.check_alike(region, {"sentinel2": mosaic}, 20.0)
    assert mosaics.check_alike(region, {"sentinel2": mosaic}, 10.0) == mosaic.raster


@pytest.mark.slow
def test_a_map_is_drawn_in_parts_and_goes_on_where_it_stopped(run, monkeypatch):
    """Each part is a job of its own; tiles of an attempt that failed are not drawn again."""
    region = run.project.regions.exclude(name=run.version.summary["cities"]["test"][0]).first()
    monkeypatch.setattr(mapping, "TILE_PX", 70 * 70)
    monkeypatch.setattr(map_parts, "PART_WINDOWS", 40)
    product = mapping.start_map(run=run, region=region, by=None, options={"probabilities": True})
    seen = []
    really_launch = map_parts.launch

    def launch_twice(folder, verb, spec, **words):
        """The first part is drawn, the second ends in an error."""
        seen.append(json.loads(spec.read_text())["tiles"])
        if len(seen) == 2:
            (folder / "events.jsonl").write_text("")
            return launcher.Outcome(code=1, words="The lamp went out.", last_event={})
        return really_launch(folder, verb, spec, **words)

    monkeypatch.setattr(map_parts, "launch", launch_twice)
    job = given.work(product.job, mapping.execute_map)
    product.refresh_from_db()
    assert (job.state, product.state, product.reason) == (JobState.FAILED, RunState.FAILED, "The lamp went out.")
    assert {part.state for part in job.parts.all()} == {JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    drawn = [tuple(tile) for tile in seen[0]]
    again = mapping.start_map(run=run, region=region, by=None, options={"probabilities": True})
    given.work(again.job, mapping.execute_map)
    again.refresh_from_db()
    assert again.state == RunState.DONE, again.reason
    assert drawn
    assert not {tuple(tile) for tiles in seen[2:] for tile in tiles} & set(drawn)
    with rasterio.open(again.summary["probabilities_uri"]) as file:
        assert file.count == 17
        stored = file.read().astype(int)
    assert (np.abs(stored.sum(axis=0) - 100) <= 9).all()
    assert not list(Path(run.folder).glob("maps/*.parts")), "what the map was made from is gone"


def test_a_map_that_is_cancelled_stops_with_its_parts(run, monkeypatch):
    region = run.project.regions.exclude(name=run.version.summary["cities"]["test"][0]).last()
    product = mapping.start_map(run=run, region=region, by=None)

    def cancel_while_drawing(folder, verb, spec, *, watch, **words):
        mapping.cancel_map(product=MapProduct.objects.get(pk=product.pk), by=None)
        for _ in range(100):
            watch([])
            time.sleep(0.02)
        raise AssertionError("nobody stopped it")

    monkeypatch.setattr(map_parts, "launch", cancel_while_drawing)
    job = given.work(product.job, mapping.execute_map)
    assert job.state == JobState.CANCELLED
    assert {part.state for part in job.parts.all()} == {JobState.CANCELLED}
    services.settle()
    product.refresh_from_db()
    assert product.state == RunState.CANCELLED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "'colour' is no option of a map"),
        ({"dropout_draws": 1000}, "from 0 to 100"),
        ({"dropout_draws": "3"}, "from 0 to 100"),
        ({"checkpoints": [0]}, "run 0 is no other finished run"),
        ({"checkpoints": "all"}, "must be numbers of runs"),
    ],
)
def test_options_that_make_no_map_are_named(run, options, message):
    region = run.project.regions.first()
    with pytest.raises(SpecError, match=message):
        mapping.start_map(run=run, region=region, by=None, options=options)


def test_maps_of_before_can_still_be_looked_at(product, client, tmp_path):
    """One file of confidence with one band, no list of bands, no count of pixels."""
    index = np.arange(12 * 12).reshape(12, 12) % 17
    place = (100.0, 0.0, 500_000.0, 0.0, -100.0, 5_300_000.0)
    scheme = schemes.find("lcz17")
    files = maps.write_map(tmp_path / "old.tif", index, np.full((12, 12), 0.5), scheme, 32632, place)
    old = {"scheme": scheme.name, "pixel_m": 100, "shares": {"1": 1.0}, "agreement": None, "reference_uri": ""}
    MapProduct.objects.filter(pk=product.pk).update(
        uri=str(files.path), confidence_uri=str(files.confidence_path), summary=old, sha256="1" * 64
    )
    page = read_page(log_in(client, product.run), "map", product.pk)
    assert ">Probability</option>" in page
    assert "100.0" in page
    assert client.get(reverse("training:layer", args=[product.pk, "confidence"])).status_code == 200
    answer = client.get(reverse("training:download_map", args=[product.pk, "confidence"]))
    assert b"".join(answer.streaming_content) == files.confidence_path.read_bytes()


def test_a_map_is_told_over_the_api(product, client):
    log_in(client, product.run)
    told = client.get(f"/api/v1/maps/{product.pk}").json()
    assert (told["state"], told["files"], told["pixel_m"]) == ("done", ["classes", "layers"], 100.0)
    assert told["bands"][:3] == ["probability", "entropy", "validity"]
    assert sum(told["shares"].values()) == pytest.approx(1, abs=1e-4)
    answer = client.get(f"/api/v1/maps/{product.pk}/files/layers")
    assert b"".join(answer.streaming_content) == Path(product.confidence_uri).read_bytes()
    assert client.get(f"/api/v1/maps/{product.pk}/files/spec").status_code == 404
    wrong = client.post(f"/api/v1/runs/{product.run_id}/maps", {"region": product.region_id, "dropout_draws": 1000},
                        content_type="application/json")  # fmt: skip
    assert wrong.status_code == 422


def test_the_page_of_a_map_of_values_shows_their_range_and_unit(product, client, tmp_path):
    """What a network says in metres, with its standard deviation; the network itself is not asked here."""
    height = np.linspace(3, 30, 144, dtype=np.float32).reshape(1, 12, 12)
    found = {"mean": height, "variance": np.full((1, 12, 12), 4.0, np.float32)}
    tile = describe_tile(found, np.ones((12, 12), bool), np.ones((12, 12), np.float32), keep=False)
    place = (100.0, 0.0, 500_000.0, 0.0, -100.0, 5_300_000.0)
    drawn = maps.Drawn(
        tiles=[(0, 0, 12, 12)], read=lambda _: tile, shape=(12, 12), epsg=32632, transform=place, tags={}
    )
    files = maps.write_field_map(tmp_path / "height.tif", drawn, ["height"])
    summary = {"output": "field", "names": ["height"], "unit": "m", "agreement": None, "reference_uri": "",
               "pixel_m": 100.0, "bands": list(files.bands), **map_areas.describe_values(drawn)}  # fmt: skip
    MapProduct.objects.filter(pk=product.pk).update(
        uri=str(files.path), confidence_uri=str(files.layers_path), summary=summary, sha256="2" * 64
    )
    page = read_page(log_in(client, product.run), "map", product.pk)
    assert "16.50" in page, "the mean"
    assert re.search(r"29\.\d\d m</span>", page), "the highest, in metres"
    for layer in ("values", "validity", "imagery"):
        assert client.get(reverse("training:layer", args=[product.pk, layer])).status_code == 200
    answer = client.get(reverse("training:download_map", args=[product.pk, "values"]))
    assert b"".join(answer.streaming_content) == files.path.read_bytes()
