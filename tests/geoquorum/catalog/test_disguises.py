"""On row C1, row C1b and row C2 through the real upload: what pretends is refused, side-cars are not taken."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from fusion.errors import BadInputError
from fusion.sources.geotiff import write_cog
from geoquorum.accounts.models import Project
from geoquorum.catalog import services
from geoquorum.catalog.keeping import keep_for_good
from tests import given
from tests.fusion.sources.geotiff.disguised import DISGUISES, GRID, SECRET, disguise, write_side_cars
from tests.geoquorum.catalog.sending import count_rows, file, list_files, send
from tests.listening import Listener, listen

pytestmark = pytest.mark.django_db
LONG_AGO = (1_000_000_000, 1_000_000_001)  # when the canary was read and written
SIDE_CARS = ("a.tif.ovr", "a.tif.msk", "a.tif.aux.xml", "a.tfw", "a.vrt", "a.xml")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listen() as found:
        yield found


@pytest.fixture
def project(settings, tmp_path: Path) -> Project:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"
    return given.project("Zugspitze")


@pytest.fixture
def curator(project: Project, client: Client) -> Client:
    client.force_login(given.member(project, "curator"))
    return client


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    array = np.full((1, 64, 64), SECRET, "uint16")
    return write_cog(tmp_path / "elsewhere" / "canary.tif", array, epsg=32632, transform=GRID)


def serve_a_tile(client: Client, project: Project, folder: Path) -> None:
    """A scene is taken in, reprojected and shown by this process: drivers are registered again where they ever are."""
    folder.mkdir()
    array = np.full((2, 64, 64), 9, np.float32)
    path = write_cog(folder / "scene.tif", array, epsg=32632, transform=GRID, band_names=("VV", "VH"))
    region = services.get_region(project=project, name="Shown")
    [(scene, _infos)] = services.ingest(region=region, paths=[path], modality="sentinel1_grd")
    assert client.get(reverse("catalog:scene_look", args=[scene.pk]))["Content-Type"] == "image/png"


@pytest.mark.parametrize("after_a_tile", [False, True])
def test_of_twelve_disguised_files_none_is_taken(
    curator: Client, project: Project, canary: Path, listener: Listener, tmp_path: Path, after_a_tile: bool
) -> None:
    if after_a_tile:
        serve_a_tile(curator, project, tmp_path / "scenes")
    assert len(DISGUISES) == 12
    rows, folder = count_rows(), tmp_path / "made"
    folder.mkdir()
    for number, kind in enumerate(DISGUISES):
        content, there = disguise(kind, canary, listener.port, folder), list_files(tmp_path)
        name = ("a.tif", "A.TIFF")[number % 2]
        os.utime(canary, LONG_AGO)
        status, page = send(curator, project, "source", file=file(name, content), region="Sent")
        assert (status, "not a TIFF" in page, name.lower() in page.lower()) == (400, True, True), kind
        assert canary.stat().st_atime == LONG_AGO[0], "nobody has read it"
        assert list_files(tmp_path) == there, kind
    assert canary.stat().st_atime > LONG_AGO[0], "whoever reads it is seen"
    assert count_rows() == rows
    assert listener.heard == []
    listener.call()
    assert len(listener.heard) == 1, "the listener must be able to hear"


@pytest.mark.parametrize("name", SIDE_CARS)
def test_a_side_car_is_not_taken_with_a_raster(
    curator: Client, project: Project, canary: Path, tmp_path: Path, name: str
) -> None:
    good, before = file("a.tif", canary.read_bytes()), list_files(tmp_path)
    status, page = send(curator, project, "source", file=good, parts=[file(name, "<VRTDataset/>")], region="Sent")
    assert (status, f"{name}: no part of" in page) == (400, True)
    assert list_files(tmp_path) == before


def test_a_folder_of_a_refused_upload_goes_without_what_its_side_cars_name(
    project: Project, canary: Path, tmp_path: Path, settings
) -> None:
    sent = tmp_path / "sent"
    sent.mkdir()
    path = write_cog(sent / "a.tif", np.ones((1, 64, 64), "uint16"), epsg=32632, transform=GRID)
    write_side_cars(path, canary)
    before = canary.read_bytes()
    with pytest.raises(BadInputError, match="refused"), keep_for_good(given.region(project), path):
        raise BadInputError("refused")
    assert canary.read_bytes() == before
    assert list_files(settings.GEOQUORUM_DATA) == {}
