"""On row D1 through the real upload: of twenty photos no byte that tells who took them is kept or served.

No photo is exported at all (row D2: tests/geoquorum/releases/test_photos_stay.py).
"""

from pathlib import Path

import pytest
from django.core import serializers
from django.test import Client
from django.urls import reverse
from PIL import ExifTags, Image

from geoquorum.accounts.models import Event, Project
from geoquorum.catalog.models import Asset, Sample
from tests import given
from tests.fusion.sources.telling_photos import SECRET, exif_of, make_twenty, picture
from tests.geoquorum.catalog.sending import file, send

pytestmark = pytest.mark.django_db
TRACES = (SECRET.encode(), b"Exif", b"xmpmeta", b"8BIM", b"MPF\0", b"ICC_PROFILE")


@pytest.fixture
def project(settings, tmp_path: Path) -> Project:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"
    return given.project("Zugspitze")


@pytest.fixture
def curator(project: Project, client: Client) -> Client:
    client.force_login(given.member(project, "curator"))
    return client


def check_bytes(where: str, content: bytes) -> None:
    assert [trace for trace in TRACES if trace in content] == [], where


def check_disk(folder: Path) -> int:
    """How many files there are, none of which holds a trace."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        check_bytes(str(path), path.read_bytes())
    return len(files)


def test_of_twenty_photos_no_trace_is_kept_or_served(
    curator: Client, project: Project, settings, tmp_path: Path
) -> None:
    (tmp_path / "sent").mkdir()
    paths = make_twenty(tmp_path / "sent")
    for path in paths:
        assert any(trace in path.read_bytes() for trace in TRACES), "the test must plant what it looks for"
    sent = [file(path.name, path.read_bytes()) for path in paths]
    status, page = send(curator, project, "photos", files=sent, region="Street")
    assert (status, SECRET in page) == (200, False)
    samples = list(Sample.objects.order_by("pk"))
    assert len(samples) == len(paths) == 20
    assert 1 <= check_disk(settings.GEOQUORUM_DATA) <= 20
    for sample in samples:
        answer = curator.get(reverse("catalog:photo", args=[sample.pk]))
        assert answer.status_code == 200
        check_bytes(sample.key, answer.content)
    assert (samples[0].latitude, samples[0].heading_deg) == (pytest.approx(48.1417, abs=1e-3), 271.5)
    rows = serializers.serialize("json", [*samples, *Asset.objects.all(), *Event.objects.all()])
    check_bytes("rows", rows.encode())


@pytest.mark.parametrize(
    "modality", ["aerial", *(pytest.param(name, marks=pytest.mark.slow) for name in ("", "street_view"))]
)
def test_a_photo_that_is_sent_as_any_file_is_not_kept_as_it_came(
    curator: Client, project: Project, settings, tmp_path: Path, modality: str
) -> None:
    path = tmp_path / "told.jpg"
    picture().save(path, exif=exif_of())
    assert SECRET.encode() in path.read_bytes()
    sent = file("told.jpg", path.read_bytes())
    assert send(curator, project, "source", file=sent, region="Street", modality=modality)[0] == 200
    assert check_disk(settings.GEOQUORUM_DATA) == 1


@pytest.mark.slow
def test_the_picture_inside_a_photo_goes_too(curator: Client, project: Project, settings, tmp_path: Path) -> None:
    """Cameras keep a small one of the whole view in EXIF, which shows what was cut off or painted over later."""
    small = tmp_path / "small.jpg"
    picture(80, 60).save(small, comment=SECRET.encode())
    exif = exif_of()
    exif.get_ifd(ExifTags.IFD.IFD1).update({0x0103: 6, 0x0201: 0, 0x0202: 0})
    whole = tmp_path / "whole.jpg"
    Image.new("RGB", (90, 70), (90, 120, 60)).save(whole, exif=exif)
    content = whole.read_bytes()
    block = b"Exif\0\0thumbnail:" + small.read_bytes()
    content = content[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + content[2:]
    assert send(curator, project, "photos", files=[file("whole.jpg", content)], region="Street")[0] == 200
    assert check_disk(settings.GEOQUORUM_DATA) == 1
