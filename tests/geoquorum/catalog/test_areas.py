"""Training areas become samples with references; what is unusual is marked, what is wrong is told."""

import io
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from shapely.geometry import Polygon

from annotation.exchange.areas import TrainingArea
from annotation.exchange.kml import write_kml
from fusion import scheme as schemes
from geoquorum.accounts.models import Role
from geoquorum.catalog.areas import take_areas
from geoquorum.catalog.models import Reference, Region, Sample
from tests import given

pytestmark = pytest.mark.django_db
LCZ = schemes.find("lcz17")


def write(folder: Path, *codes: str, size: float = 0.01) -> Path:
    """One square per code, side by side."""
    areas = [
        TrainingArea(
            code=code,
            name="",
            folder="",
            polygon=Polygon([(7 + x, 50), (7 + x + size, 50), (7 + x + size, 50 + size), (7 + x, 50 + size)]),
        )
        for x, code in enumerate(codes)
    ]
    path = folder / "köln.kml"
    path.write_bytes(write_kml(areas, LCZ, title="Köln"))
    return path


def test_areas_become_samples_and_their_classes_references(tmp_path: Path) -> None:
    region = given.region(given.project())
    file, new = take_areas(region=region, path=write(tmp_path, "3", "3", "A"), scheme=LCZ, by=None)
    assert (len(file.areas), new) == (3, 3)
    samples = Sample.objects.filter(region=region, kind="area")
    assert sorted(samples.values_list("references__code", flat=True)) == ["3", "3", "A"]
    one = samples.order_by("pk")[0]
    assert one.footprint["type"] == "Polygon"
    assert 7 < one.longitude < 7.01
    assert one.attributes["marks"][0].startswith("few")


def test_the_same_file_again_adds_nothing(tmp_path: Path) -> None:
    region, path = given.region(given.project()), write(tmp_path, "3", "A")
    take_areas(region=region, path=path, scheme=LCZ, by=None)
    _file, new = take_areas(region=region, path=path, scheme=LCZ, by=None)
    assert new == 0
    assert (Sample.objects.count(), Reference.objects.count()) == (2, 2)


def test_the_command_tells_what_was_taken_marked_and_rejected(tmp_path: Path) -> None:
    project = given.project()
    said = io.StringIO()
    call_command("import_samples", str(write(tmp_path, "3", size=0.0001)), project=project.slug, stdout=said)
    assert "1 areas in köln.kml, 1 of them new in region köln." in said.getvalue()
    assert "marked: LCZ 3 / 3a: small" in said.getvalue()
    table = tmp_path / "samples.csv"
    table.write_text("sample\na\nb\n")
    call_command("import_samples", str(table), project=project.slug, stdout=said)
    assert "2 samples are new" in said.getvalue()
    with pytest.raises(CommandError, match="line 2 names sample 'a', which the project has"):
        call_command("import_samples", str(table), project=project.slug)
    with pytest.raises(CommandError, match="There is no project 'x'"):
        call_command("import_samples", str(table), project="x")
    with pytest.raises(CommandError, match="Coding 'y' is not known"):
        call_command("import_samples", str(write(tmp_path, "3")), project=project.slug, coding="y")


def test_curators_import_by_http_and_others_cannot(client: Client, tmp_path: Path) -> None:
    project = given.project()
    areas, table = f"/api/v1/projects/{project.slug}/areas/import", f"/api/v1/projects/{project.slug}/samples/import"
    client.force_login(given.member(project, Role.CURATOR))
    upload = SimpleUploadedFile("köln.kml", write(tmp_path, "3", "A").read_bytes())
    answer = client.post(f"{areas}?region=Köln", {"file": upload})
    assert (answer.status_code, answer.json()["areas"], answer.json()["new"]) == (200, 2, 2)
    answer = client.post(table, {"file": SimpleUploadedFile("s.csv", b"sample\nx\n")})
    assert answer.json() == {"taken": 1}
    answer = client.post(table, {"file": SimpleUploadedFile("s.csv", b"sample\nx\n")})
    assert answer.status_code == 400
    assert "line 2 names sample 'x'" in answer.json()["detail"]
    answer = client.post(table, {"file": SimpleUploadedFile("../../s.html", b"sample\nx\n")})
    assert answer.status_code == 400
    for user, status in ((given.member(project), 403), (given.user(), 404)):
        client.force_login(user)
        answer = client.post(table, {"file": SimpleUploadedFile("s.csv", b"sample\ny\n")})
        assert answer.status_code == status
    assert Sample.objects.count() == 3


def test_a_refused_file_leaves_no_region_behind(client: Client) -> None:
    project = given.project()
    client.force_login(given.member(project, Role.CURATOR))
    address = f"/api/v1/projects/{project.slug}/areas/import?region=Nowhere"
    answer = client.post(address, {"file": SimpleUploadedFile("a.kml", b"<kml/>")})
    assert answer.status_code == 400
    assert not Region.objects.exists()
