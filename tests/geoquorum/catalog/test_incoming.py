"""Files that curators bring in by the browser: the services' own rules, faults by line, all or nothing, as text."""

import io
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image
from shapely.geometry import Polygon

from annotation.exchange.areas import TrainingArea
from annotation.exchange.kml import write_kml
from fusion import scheme as schemes
from geoquorum.accounts.models import Event, Project
from geoquorum.catalog.media import find_photo
from geoquorum.catalog.models import Post, Reference, Region, Sample
from tests import given

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def key(settings, tmp_path: Path) -> None:
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"
    settings.GEOQUORUM_DATA = tmp_path / "data"


@pytest.fixture
def project() -> Project:
    return given.project("Zugspitze")


@pytest.fixture
def curator(project: Project, client: Client) -> Client:
    client.force_login(given.member(project, "curator"))
    return client


def file(name: str, content: str | bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def photo(shade: int = 90, size: int = 80) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (size, size), (shade, 120, 60)).save(target, "JPEG")
    return target.getvalue()


def send(client: Client, project: Project, kind: str, **fields: object) -> tuple[int, str]:
    """The status and the words of the page that follows."""
    answer = client.post(reverse("catalog:files", args=[project.slug]), {"kind": kind} | fields, follow=True)
    return answer.status_code, answer.content.decode()


def test_a_table_of_samples_comes_in(curator: Client, project: Project) -> None:
    table = file("Köln 1.csv", "sample,region,longitude,latitude\na,Köln,7.0,50.9\nb,Köln,7.1,50.9\n")
    status, page = send(curator, project, "samples", file=table, cell_m=320)
    assert (status, "2 samples are new." in page) == (200, True)
    assert all(sample.cell for sample in Sample.objects.filter(project=project))
    event = Event.objects.get(action="samples imported")
    assert (event.actor.memberships.get().role, event.detail["file"]) == ("curator", "Köln_1.csv")


def test_each_bad_line_is_a_line_of_the_page_and_nothing_is_stored(curator: Client, project: Project) -> None:
    table = file("towns.csv", f"sample,kind\ngood,patch\n,patch\nx,{SCRIPT}\n")
    status, page = send(curator, project, "samples", file=table)
    assert status == 400
    assert "towns.csv" in page
    assert "<li>line 3 names no sample</li>" in page
    assert "<li>line 4 has kind" in page
    assert "Mend these places" in page
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    assert not Sample.objects.exists()


def test_training_areas_come_in_with_what_was_rejected_and_what_is_unusual(curator: Client, project: Project) -> None:
    square = Polygon([(7, 50), (7.01, 50), (7.01, 50.01), (7, 50.01)])
    areas = [TrainingArea(code="6", name=SCRIPT, folder="", polygon=square)]
    kml = file("areas.kml", write_kml(areas, schemes.find("lcz17"), title="Köln"))
    fields = {"region": "Köln", "scheme": "lcz17", "coding": "code"}
    status, page = send(curator, project, "areas", file=kml, **fields)
    assert (status, "1 areas read, 1 of them new in Köln." in page, SCRIPT in page) == (200, True, False)
    assert "few: class 6 has 1" in page
    assert Reference.objects.get().source == "training area: areas.kml"


def test_photos_come_in_together_or_not_at_all(curator: Client, project: Project) -> None:
    good = [file("one.jpg", photo(10)), file("two.jpg", photo(200))]
    status, page = send(curator, project, "photos", files=[*good, file("three.jpg", b"none")], region="Köln")
    assert (status, "three.jpg is not a JPEG" in page) == (400, True)
    assert not Sample.objects.exists()
    assert not Region.objects.exists()
    for one in good:
        one.seek(0)
    status, page = send(curator, project, "photos", files=good, region="Köln")
    assert (status, Sample.objects.filter(kind="street_view").count()) == (200, 2)
    assert Event.objects.get(action="photos imported").detail == {"photos": 2, "new": 2}


def test_posts_come_in_with_their_pictures(curator: Client, project: Project) -> None:
    table = file("posts.csv", "id,text,author,image\n1,A roof on fire,ann,roof.jpg\n2,Nothing @ben,ben,\n")
    status, _page = send(curator, project, "posts", file=table, pictures=[file("roof.jpg", photo())], region="Köln")
    assert status == 200
    first, second = Post.objects.order_by("pk")
    assert (find_photo(first.sample) is not None, find_photo(second.sample)) == (True, None)
    assert "@ben" not in second.text


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ([], "roof.jpg cannot be read"),
        (["roof.jpg", "roof.jpg"], "roof.jpg was sent twice"),
        (["roof.jpg", "a b.jpg"], "is no plain file name"),
        (["roof.jpg", "posts.csv"], "posts.csv was sent twice"),
    ],
)
def test_pictures_that_are_missing_or_doubled_refuse_the_posts(
    curator: Client, project: Project, pictures: list[str], words: str
) -> None:
    table = file("posts.csv", "id,text,image\n1,A roof on fire,roof.jpg\n")
    sent = [file(name, photo()) for name in pictures]
    status, page = send(curator, project, "posts", file=table, pictures=sent, region="Köln")
    assert (status, words in page) == (400, True)
    assert not Sample.objects.exists()


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("planets", {}, "Check and take"),
        ("samples", {}, "This field is required"),
        ("photos", {"region": "Köln"}, "This field is required"),
        ("areas", {"file": ("x.kml", "<kml/>"), "region": "Köln", "scheme": "none", "coding": "code"}, "valid choice"),
        ("samples", {"file": ("x.csv", "")}, "empty"),
        ("samples", {"file": ("x.exe", "sample\na\n")}, "must end in"),
    ],
)
def test_what_cannot_be_taken_is_said_on_the_page(
    curator: Client, project: Project, kind: str, fields: dict[str, object], words: str
) -> None:
    ready = {name: file(*value) if isinstance(value, tuple) else value for name, value in fields.items()}
    status, page = send(curator, project, kind, **ready)
    assert (status, words in page) == (400, True)
    assert not Sample.objects.exists()


def test_more_files_than_one_request_holds_are_refused_in_words(
    curator: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoquorum.catalog.forms.MOST_FILES", 1)
    sent = [file("one.jpg", photo(1)), file("two.jpg", photo(2))]
    status, page = send(curator, project, "photos", files=sent, region="Köln")
    assert (status, "bring at most 1 at once" in page) == (400, True)


def test_the_catalog_leads_curators_to_the_page_and_nobody_else(project: Project, client: Client) -> None:
    for role, is_led in (("expert", False), ("curator", True)):
        client.force_login(given.member(project, role))
        page = client.get(reverse("catalog:regions")).content.decode()
        assert (reverse("catalog:files", args=[project.slug]) in page) == is_led


def test_a_file_without_the_token_of_the_page_is_refused(project: Project) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(given.member(project, "curator"))
    assert send(client, project, "samples", file=file("a.csv", "sample\na\n"))[0] == 403
    assert not Sample.objects.exists()
