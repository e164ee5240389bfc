"""On row B4: whatever a file, region or member is called, nothing is written outside the folders that are ours."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck
from hypothesis import given as forall
from hypothesis import settings as how
from hypothesis import strategies as st

from fusion.errors import BadFileError, BadInputError, BadPostsError
from fusion.sources.posts import read_posts
from fusion.sources.stac import inspect_item
from geoquorum.accounts.models import Project
from geoquorum.catalog.models import Region, Sample
from geoquorum.catalog.rasters import find_target
from geoquorum.catalog.services import get_region
from geoquorum.uploads import keep_upload
from tests import given
from tests.fusion.sources.stac.store import item
from tests.geoquorum.catalog.sending import list_files

FEW = how(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# two dots and slashes in every spelling: plain, of Windows, percent-encoded, full-width, look-alikes, overlong
PIECES = (
    "..", ".", "", "/", "\\", "..\\", "../", "/etc/passwd", "C:\\", "\\\\host\\share", "\0", "%2e%2e%2f", "..%00",
    "．．", "／", "∕", "⁄", "․․", "~root", "-rf", "CON", "a" * 300, "ä" * 300, "👩" * 80, "\u202e", "x.tif", "\n", ":a",
)  # fmt: skip
NAMES = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("/".join),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join),
    st.text(max_size=300),
)


@pytest.fixture
def ground(tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with ours in it, and files around them that nobody may touch; what is written for a while lies in it."""
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "ours" / "data", tmp_path / "ours" / "cache"
    (tmp_path / "ours" / "while").mkdir(parents=True)
    (tmp_path / "evil.csv").write_text("a canary")
    (tmp_path / "ours" / "evil.csv").write_text("a canary")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "ours" / "while"))
    before = list_files(tmp_path)
    yield tmp_path
    after = list_files(tmp_path)
    assert {name: told for name, told in after.items() if not name.startswith("ours/data/")} == before


def named(name: str, content: bytes = b"x") -> SimpleUploadedFile:
    """A file as if the framework had let the name through as it came: ours is a second line."""
    made = SimpleUploadedFile("plain", content)
    made._name = name
    return made


@FEW
@forall(NAMES)
def test_an_upload_lies_in_its_own_folder_whatever_it_is_called(ground: Path, name: str) -> None:
    with keep_upload(named(name)) as path:
        assert path.resolve().parent.parent == ground / "ours" / "while"
        assert len(path.name.encode()) < 255
        assert path.read_bytes() == b"x"
        assert [one.name for one in path.parent.iterdir()] == [path.name]


@FEW
@forall(NAMES)
def test_what_is_sent_beside_it_lies_there_too_or_is_refused(ground: Path, name: str) -> None:
    try:
        with keep_upload(named("table.csv"), beside=[named(name)]) as path:
            there = {one.name for one in path.parent.iterdir()}
            assert there == {"table.csv", name}
            assert (path.parent / name).resolve().parent == path.resolve().parent
    except BadInputError as error:
        refused = str(error)
        assert "no plain file name" in refused or "was sent twice" in refused


@FEW
@forall(NAMES)
def test_no_picture_of_a_table_leads_out_of_its_folder(ground: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posts.jsonl"
        path.write_text(json.dumps({"id": 1, "text": "a", "image": name}))
        try:
            [row] = read_posts(path)
        except BadPostsError:
            return
        assert not row.image or (path.parent / row.image).resolve().parent == path.resolve().parent


@FEW
@forall(NAMES)
def test_no_asset_of_an_item_leads_out_of_its_folder(ground: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "item.json"
        path.write_text(json.dumps(item(asset={"href": name})))
        try:
            [info] = inspect_item(path)
        except BadFileError:
            return
        uri = info.assets[0].uri
        assert uri.startswith(("https://", "http://", "s3://")) or Path(uri).is_relative_to(path.resolve().parent)


@pytest.mark.slow
@pytest.mark.django_db
@how(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@forall(NAMES)
def test_a_region_of_any_name_makes_no_path(ground: Path, name: str) -> None:
    project = Project.objects.first() or given.project("Zugspitze")
    try:
        region = get_region(project=project, name=name.replace("\0", "?"))
    except BadInputError:
        return
    assert region.slug.isascii()
    assert not set(region.slug) & set("/\\.: \0")
    assert find_target(region, "ab" * 32, "x.tif").resolve().is_relative_to(ground / "ours" / "data")


RAW = ("../../evil.csv", "..\\..\\evil.csv", "/etc/evil.csv", "evil.csv\\0.exe", "．．／evil.csv", "a" * 300 + ".csv")


@pytest.mark.django_db
@pytest.mark.parametrize("name", [pytest.param(RAW[0], marks=pytest.mark.slow), *RAW[1:]])
def test_a_name_on_the_wire_leads_nowhere(ground: Path, client: Client, name: str) -> None:
    """The bytes as a hostile client writes them, which no test client would."""
    project = given.project("Zugspitze")
    client.force_login(given.member(project, "curator"))
    shape = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [7, 50]}}
    parts = [("kind", "", "samples"), ("file", f'; filename="{name}"', "sample\na\n")]
    if name.startswith("../"):  # a file that is kept, too
        parts = [
            ("kind", "", "source"),
            ("region", "", "../../r"),
            ("file", f'; filename="{name}.json"', json.dumps(shape)),
        ]
    body = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{field}"{more}\r\n\r\n{value}\r\n'
        for field, more, value in parts
    )
    address = reverse("catalog:files", args=[project.slug])
    answer = client.post(address, f"{body}--x--\r\n".encode(), content_type="multipart/form-data; boundary=x")
    assert answer.status_code in (200, 302, 400)
    assert Sample.objects.exists() or Region.objects.exists() or answer.status_code == 400
