"""On row C10: no archive is ever unpacked to disk; ten of them are refused by every form, quickly and without a trace.

Two formats are zips by nature. Of a KMZ one member is read into memory, after its list of members was measured; the
arrays of an .npz are read in a child that compares what they claim with what is there.
"""

import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from django.test import Client

from annotation.exchange import kml
from fusion import scheme as schemes
from fusion.errors import BadInputError
from geoquorum.accounts.models import Project
from tests import given
from tests.geoquorum.catalog.archives import make_archives
from tests.geoquorum.catalog.sending import count_rows, file, list_files, send

pytestmark = pytest.mark.django_db
ENDINGS = (".kmz", ".csv", ".npz", ".jpg", ".npz", ".tif", ".npz", ".geojson", ".npz", ".jsonl")
AREAS = {"region": "Sent", "scheme": "lcz17", "coding": "code"}


@pytest.fixture
def project(settings, tmp_path: Path) -> Project:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"
    return given.project("Zugspitze")


@pytest.fixture
def curator(project: Project, client: Client) -> Client:
    client.force_login(given.member(project, "curator"))
    return client


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    canary = tmp_path_factory.mktemp("elsewhere") / "canary.txt"
    canary.write_text("a canary")
    yield make_archives(str(canary))
    assert canary.read_text() == "a canary"


def count_seconds() -> float:
    """CPU seconds of this process and of the children that it waited for: what others on the machine do is not ours."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def check_time(began: float, limit_s: float = 2.0) -> None:
    assert count_seconds() - began < limit_s


@pytest.mark.slow
def test_of_ten_archives_none_is_taken_as_any_file(
    curator: Client, project: Project, archives: dict[str, bytes], tmp_path: Path
) -> None:
    """Under their own names and under those of what is taken, as any kind of file."""
    assert len(archives) == 10
    before, rows = list_files(tmp_path), count_rows()
    for number, (name, content) in enumerate(archives.items()):
        for ending in (name[name.index(".") :], ENDINGS[number % len(ENDINGS)]):
            sent = f"{name.split('.')[0]}{ending}"
            began = count_seconds()
            status, page = send(curator, project, "source", file=file(sent, content), region="Sent")
            check_time(began)
            assert (status, name.split(".")[0] in page) == (400, True), sent
    assert (list_files(tmp_path), count_rows()) == (before, rows)
    assert not Path("/tmp/slip.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["samples", "posts"])
def test_no_archive_is_taken_for_a_table(
    curator: Client, project: Project, archives: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    before, rows = list_files(tmp_path), count_rows()
    for name, content in archives.items():
        if len(content) < 2**20:
            fields = {} if kind == "samples" else {"region": "Sent"}
            began = count_seconds()
            status, page = send(curator, project, kind, file=file(f"{name.split('.')[0]}.csv", content), **fields)
            check_time(began)
            assert (status, re.search("archive|not UTF-8|NUL byte|columns missing", page) is not None) == (400, True), (
                name
            )
    assert (list_files(tmp_path), count_rows()) == (before, rows)


def test_of_ten_archives_none_is_taken_as_training_areas(archives: dict[str, bytes], tmp_path: Path) -> None:
    """The reader itself: what the page says of each comes from here."""
    words = {
        "slip.zip": "zip without a .kml", "link.zip": "not KML", "bomb.zip": "unpacks to more than 64 MiB",
        "nested.zip": "not KML", "million.zip": "packs more than 1,000 files",
        "twice.zip": "packs more than 1,000 files", "locked.zip": "encrypted", "slip.tar": "not KML",
        "link.tar.gz": "not KML", "bomb.tar.gz": "not KML",
    }  # fmt: skip
    before = list_files(tmp_path)
    for name, content in archives.items():
        began = count_seconds()
        with pytest.raises(BadInputError) as caught:
            kml.read_areas(content, schemes.find("lcz17"), name=name)
        check_time(began)
        assert (name in str(caught.value), words[name] in str(caught.value)) == (True, True), str(caught.value)
    assert list_files(tmp_path) == before


def test_a_kmz_is_read_in_a_child_and_refused_with_its_sentence(
    curator: Client, project: Project, archives: dict[str, bytes], settings
) -> None:
    status, page = send(curator, project, "areas", file=file("bomb.kmz", archives["bomb.zip"]), **AREAS)
    assert (status, "bomb.kmz unpacks to more than 64 MiB" in page) == (400, True)
    assert list_files(settings.GEOQUORUM_DATA) == {}


def test_an_npz_that_unpacks_to_far_more_is_refused(curator: Client, project: Project, settings) -> None:
    content, rows = io.BytesIO(), count_rows()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        header = np.lib.format.header_data_from_array_1_0(np.empty(0, np.uint8)) | {"shape": (2**40,)}
        claim = io.BytesIO()
        np.lib.format.write_array_header_1_0(claim, header)
        archive.writestr("a.npy", claim.getvalue() + b"\0" * 2**20)
    began = count_seconds()
    status, page = send(curator, project, "source", file=file("a.npz", content.getvalue()), region="Sent")
    check_time(began)
    assert (status, "a.npz" in page) == (400, True)
    assert (list_files(settings.GEOQUORUM_DATA), count_rows()) == ({}, rows)
