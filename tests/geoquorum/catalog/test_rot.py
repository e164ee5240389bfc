"""On row C6: a stored file that changes is found at its next use, whatever uses it, before an expert sees a pixel."""

import os
from pathlib import Path

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from fusion.errors import BadInputError
from geoquorum.accounts.models import Project
from geoquorum.catalog import checking, pixels, services
from geoquorum.catalog.media import find_photo
from geoquorum.catalog.models import Asset, Sample, Scene
from geoquorum.releases import cuts
from tests import given

pytestmark = pytest.mark.django_db
WORDS = "is not what was taken in: its bytes have changed"


@pytest.fixture
def project(settings, tmp_path: Path) -> Project:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"
    return given.project("Zugspitze")


@pytest.fixture
def sample(project: Project, tmp_path: Path) -> Sample:
    """A patch of a scene that is not packed: a flipped bit there reads as another number, without any error."""
    import rasterio
    from rasterio.transform import Affine

    path = tmp_path / "scene.tif"
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 600_000, 0, -10, 5_300_480)}
    profile = {"driver": "GTiff", "count": 2, "width": 64, "height": 64, "dtype": "float32"}
    with rasterio.open(path, "w", **profile, **place) as dataset:
        dataset.write(np.full((2, 64, 64), 0.5, np.float32))
        dataset.descriptions = ("VV", "VH")
    region = services.get_region(project=project, name="Garmisch")
    services.ingest(region=region, paths=[path], modality="sentinel1_grd")
    return services.cut_patches(region=region)[0]


def flip(path: Path, *, keep_date: bool = False) -> None:
    """One bit in the middle; the date of change is put back where it should tell nothing."""
    told, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if keep_date:
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


@pytest.mark.parametrize("keep_date", [False, True])
def test_a_flipped_bit_is_found_before_anybody_sees_the_pixels(
    project: Project, sample: Sample, client: Client, keep_date: bool
) -> None:
    asset, scene = Asset.objects.get(), Scene.objects.get()
    client.force_login(given.member(project, "expert"))
    addresses = [
        reverse("catalog:picture", args=[sample.pk, "sentinel1_grd", "radar"]) + "?context=3",
        reverse("catalog:values", args=[sample.pk, "sentinel1_grd"]),
        reverse("catalog:scene_look", args=[scene.pk]),
    ]
    pixels.read_samples([sample], "sentinel1_grd")  # this process knows the file as good
    flip(Path(asset.uri), keep_date=keep_date)
    for address in addresses:
        answer = client.get(address)
        assert (answer.status_code, WORDS in answer.content.decode()) == (400, True), address
    for use in (
        lambda: pixels.read_samples([sample], "sentinel1_grd"),
        lambda: cuts.plan_cut([sample], "sentinel1_grd"),
    ):
        with pytest.raises(BadInputError, match=WORDS):
            use()
    flip(Path(asset.uri))
    assert client.get(addresses[1]).status_code == 200, "the right file is back"


def test_a_bit_that_flips_without_a_trace_is_found_within_a_day(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a disk loses it: neither size nor any date of the file says so."""
    asset = Asset.objects.get()
    checking.check_file(asset)
    path, state = Path(asset.uri), Path(asset.uri).stat()
    flip(path)
    monkeypatch.setattr(Path, "stat", lambda self, **_words: state if self == path else os.stat(self))
    checking.check_file(asset)  # not yet
    later = checking.time.time() + checking.TRUSTED_S
    monkeypatch.setattr(checking.time, "time", lambda: later)
    with pytest.raises(BadInputError, match=WORDS):
        checking.check_file(asset)


def test_a_file_of_a_region_and_a_photo_are_checked_too(project: Project, client: Client, tmp_path: Path) -> None:
    client.force_login(given.member(project, "expert"))
    region = given.region(project)
    np.save(tmp_path / "array.npy", np.arange(12.0).reshape(3, 4))
    from geoquorum.catalog.files import take_file

    [asset] = take_file(region=region, path=tmp_path / "array.npy").assets
    flip(Path(asset.uri))
    answer = client.get(reverse("catalog:asset_look", args=[asset.pk]))
    assert (answer.status_code, WORDS in answer.content.decode()) == (400, True)
    photo = given.street_photos(project, count=1)[0]
    flip(Path(find_photo(photo).uri))
    answer = client.get(reverse("catalog:photo", args=[photo.pk]))
    assert (answer.status_code, b"is not what was stored any more" in answer.content) == (400, True)


def test_a_good_file_is_summed_once(sample: Sample) -> None:
    asset = Asset.objects.get()
    checking.check_file(asset)
    before = checking._hash.cache_info().misses
    for _ in range(50):
        checking.check_file(asset)
    assert checking._hash.cache_info().misses == before
