"""A Sentinel-2 product in JPEG 2000 by the ordinary command: taken, cut and drawn; refused as an upload, with a way."""

import io
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from PIL import Image

from geoquorum.catalog import pixels
from geoquorum.catalog.models import Sample, Scene
from tests import given
from tests.fusion.sources.geotiff.products import CELL, write_product
from tests.geoquorum.catalog.sending import count_rows, file, list_files, send

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(settings, tmp_path: Path) -> None:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"


def test_a_product_is_taken_cut_and_drawn(tmp_path: Path, client: Client) -> None:
    folder, values = write_product(tmp_path)
    out = StringIO()
    call_command("ingest", str(folder), "--region", "Yaounde", stdout=out)
    assert "4 patches of 320 m are covered whole" in out.getvalue()
    scene = Scene.objects.get()
    assert (scene.modality, scene.epsg, scene.assets.count()) == ("sentinel2", 32633, 3)
    sample = Sample.objects.get(cell=CELL.id)
    read = pixels.read_samples([sample], "sentinel2")
    assert read.bands == ["B2", "B3", "B5"]
    assert (read.values[0, 0] == values[0, :32, :32] - 1_000).all()
    client.force_login(given.member(scene.project, "expert"))
    look = client.get(reverse("catalog:scene_look", args=[scene.pk]))
    assert look["Content-Type"] == "image/png"
    assert len(np.unique(np.asarray(Image.open(io.BytesIO(look.content))))) > 20


def test_a_band_that_is_sent_is_refused_with_two_ways_to_bring_it(tmp_path: Path, client: Client, settings) -> None:
    folder, _values = write_product(tmp_path)
    [path] = folder.rglob("*B02_10m.jp2")
    project = given.project()
    client.force_login(given.member(project, "curator"))
    rows = count_rows()
    status, page = send(client, project, "source", file=file(path.name, path.read_bytes()), region="Sent")
    assert (status, "JPEG 2000 is not taken as a file that is sent" in page) == (400, True)
    assert "Write it as GeoTIFF, or take the folder of its product in by the command ingest" in page
    assert (count_rows(), list_files(settings.GEOQUORUM_DATA)) == (rows, {})
