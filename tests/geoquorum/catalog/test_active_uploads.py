"""On row B2: of twelve files that a browser would run, none is served as what runs; media have their own policy."""

import io
from pathlib import Path

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from PIL import ExifTags, Image, PngImagePlugin

from geoquorum.accounts.models import Project
from geoquorum.catalog.models import Asset, Sample
from tests import given
from tests.geoquorum.catalog.sending import count_rows, file, list_files, send

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"
PAGE = f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{SCRIPT}</body></html>'
DRAWING = f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>'


def picture(kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    ramp = np.linspace(0, 255, 80 * 90 * 3).reshape(80, 90, 3).astype(np.uint8)
    Image.fromarray(ramp).save(target, kind, **options)
    return target.getvalue()


def make_photos() -> dict[str, bytes]:
    """Good pictures that carry a script in every place where a format has room for one."""
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = SCRIPT
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (48.0, 8.0, 30.0), 3: "E", 4: (11.0, 34.0, 12.0)})
    words = PngImagePlugin.PngInfo()
    words.add_text("Title", SCRIPT)
    return {
        "comment.jpg": picture("JPEG", comment=SCRIPT.encode(), exif=exif),
        "exif.jpg": picture("JPEG", exif=exif, quality=70),
        "tail.jpg": picture("JPEG", quality=60) + PAGE.encode(),
        "words.png": picture("PNG", pnginfo=words),
        "meta.webp": picture("WEBP", xmp=f"<x:xmpmeta>{SCRIPT}</x:xmpmeta>".encode()),
    }


OTHERS = {
    "drawing.svg": DRAWING, "drawing.png": DRAWING, "page.xhtml": PAGE, "page.jpg": PAGE, "scene.tif.html": PAGE,
    "script.gif": f"GIF89a/*{SCRIPT}*/=1;", "paper.pdf": f"%PDF-1.4\n1 0 obj<</S/JavaScript/JS({SCRIPT})>>endobj",
}  # fmt: skip


@pytest.fixture
def project(settings, tmp_path: Path) -> Project:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"
    return given.project("Zugspitze")


@pytest.fixture
def curator(project: Project, client: Client) -> Client:
    client.force_login(given.member(project, "curator"))
    return client


def check_answer(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, address
    assert answer["Content-Type"] in ("image/jpeg", "image/png"), address
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert b"<script" not in answer.content
    assert b"alert" not in answer.content


def test_of_twelve_active_files_none_is_served_as_what_runs(
    curator: Client, project: Project, tmp_path: Path, settings
) -> None:
    photos = make_photos()
    assert len(photos) + len(OTHERS) == 12
    assert all(b"<script" in content for content in photos.values()), "the test must plant what it looks for"
    status, _page = send(curator, project, "photos", files=[file(*one) for one in photos.items()], region="Sent")
    assert (status, Sample.objects.count()) == (200, 5)
    rows, kept = count_rows(), list_files(settings.GEOQUORUM_DATA)
    for name, content in OTHERS.items():
        status, page = send(curator, project, "source", file=file(name, content), region="Sent")
        assert (status, name.split(".")[0] in page, SCRIPT in page) == (400, True, False), name
    status, page = send(curator, project, "photos", files=[file("drawing.png", DRAWING)], region="Sent")
    assert (status, "drawing.png is not a JPEG, PNG or WebP" in page) == (400, True)
    assert (count_rows(), list_files(settings.GEOQUORUM_DATA)) == (rows, kept)
    for sample in Sample.objects.all():
        check_answer(curator, reverse("catalog:photo", args=[sample.pk]))
    for name in list_files(settings.GEOQUORUM_DATA):
        assert b"<script" not in (settings.GEOQUORUM_DATA / name).read_bytes(), name


def test_a_picture_from_above_is_kept_and_served_without_what_it_carried(
    curator: Client, project: Project, settings
) -> None:
    sent = file("comment.jpg", make_photos()["comment.jpg"])
    assert send(curator, project, "source", file=sent, region="Sent", modality="aerial")[0] == 200
    asset = Asset.objects.get()
    check_answer(curator, reverse("catalog:asset_look", args=[asset.pk]))
    assert SCRIPT.encode() not in Path(asset.uri).read_bytes()
    assert list(list_files(settings.GEOQUORUM_DATA)) == [str(Path(asset.uri).relative_to(settings.GEOQUORUM_DATA))]


def test_numbers_are_served_as_bytes_that_nothing_runs(client: Client) -> None:
    region = given.city(given.project())
    client.force_login(given.member(region.project, "expert"))
    answer = client.get(reverse("catalog:values", args=[region.samples.first().pk, "sentinel1"]))
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
