"""Street photos from file to page: taken whole or not at all, kept without metadata, shown to members alone."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from PIL import Image

from fusion.errors import BadInputError, BadPhotoError
from fusion.world.photos import render_photos
from geoquorum.catalog.content import describe_samples
from geoquorum.catalog.media import find_photo
from geoquorum.catalog.models import Asset, Reference, Region, Sample
from geoquorum.catalog.photos import ingest_photos
from tests import given

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(tmp_path):
    planned, _files = given.city_files()
    return [photo.path for photo in render_photos(planned, tmp_path / "files", count=3)]


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def test_photos_become_samples_with_place_cell_and_heading(files):
    region = given.region(given.project())
    taken = ingest_photos(region=region, paths=files)
    for one in taken:
        sample = one.sample
        assert sample.kind == "street_view"
        assert sample.cell.split("-")[1] == "320"
        assert 0 <= sample.heading_deg < 360
        assert sample.field_of_view_deg == pytest.approx(69.4, abs=0.1)
        assert sample.captured_from is not None
        assert sample.is_simulated, "a made-up photo is marked wherever it goes"
        assert find_photo(sample).sha256 == hashlib.sha256(one.photo.jpeg).hexdigest()
    assert Asset.objects.count() == 3


def test_the_same_photo_twice_is_one_sample(files):
    region = given.region(given.project())
    first, again = (ingest_photos(region=region, paths=files[:1])[0] for _ in range(2))
    assert (first.is_new, again.is_new) == (True, False)
    assert first.sample == again.sample
    assert Asset.objects.count() == 1


def test_one_bad_photo_refuses_all(files, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    with pytest.raises(BadPhotoError, match=r"bad\.jpg is not a JPEG"):
        ingest_photos(region=given.region(given.project()), paths=[*files, tmp_path / "bad.jpg"])
    assert Sample.objects.count() == Asset.objects.count() == 0


def test_no_photo_at_all_is_refused():
    with pytest.raises(BadInputError, match="No photo was named"):
        ingest_photos(region=given.region(given.project()), paths=[])


def test_a_photo_without_a_place_is_taken_and_has_no_picture_from_above(tmp_path):
    Image.fromarray(np.full((90, 120, 3), 90, np.uint8)).save(tmp_path / "a.png")
    (taken,) = ingest_photos(region=given.region(given.project()), paths=[tmp_path / "a.png"])
    assert not taken.sample.has_place
    assert taken.sample.cell == ""
    shown = describe_samples([taken.sample])[taken.sample.pk]
    assert (shown["patch"], shown["place"], shown["heading_deg"]) == (False, None, None)
    assert shown["photo"]


def test_what_is_served_has_no_byte_of_metadata_and_a_type_of_our_own(files):
    project = given.project()
    (taken, *_rest) = ingest_photos(region=given.region(project), paths=files)
    answer = client_of(given.member(project)).get(f"/catalog/samples/{taken.sample.pk}/photo.jpg")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"].startswith("private")
    assert b"Exif" in files[0].read_bytes()
    for trace in (b"Exif", b"xmpmeta", b"8BIM", b"Geoquorum", b"GPS"):
        assert trace not in answer.content
    again = client_of(given.member(project)).get(
        f"/catalog/samples/{taken.sample.pk}/photo.jpg", headers={"If-None-Match": answer["ETag"]}
    )
    assert again.status_code == 304


def test_a_photo_is_shown_to_members_alone(files):
    project = given.project()
    (taken, *_rest) = ingest_photos(region=given.region(project), paths=files)
    address = f"/catalog/samples/{taken.sample.pk}/photo.jpg"
    assert Client().get(address).status_code == 302
    for outsider in (
        given.user(),
        given.member(given.project(), "admin"),
        given.user(is_superuser=True, is_staff=True),
    ):
        assert client_of(outsider).get(address).status_code == 404
    for role in ("expert", "curator", "admin"):
        assert client_of(given.member(project, role)).get(address).status_code == 200
    assert client_of(given.member(project)).post(address).status_code == 405


def test_a_row_that_points_outside_the_folder_of_photos_is_not_read(files, tmp_path):
    project = given.project()
    (taken, *_rest) = ingest_photos(region=given.region(project), paths=files)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    Asset.objects.update(uri=str(tmp_path / "secret.jpg"))
    answer = client_of(given.member(project)).get(f"/catalog/samples/{taken.sample.pk}/photo.jpg")
    assert answer.status_code == 400
    assert b"secret" not in answer.content


def test_a_file_that_is_gone_is_named(files):
    project = given.project()
    (taken, *_rest) = ingest_photos(region=given.region(project), paths=files)
    Path(find_photo(taken.sample).uri).rename(find_photo(taken.sample).uri + ".away")
    answer = client_of(given.member(project)).get(f"/catalog/samples/{taken.sample.pk}/photo.jpg")
    Path(find_photo(taken.sample).uri + ".away").rename(find_photo(taken.sample).uri)
    assert answer.status_code == 400
    assert b"is gone" in answer.content


def test_photos_of_the_made_up_city_lie_on_its_satellite_scenes():
    project = given.project(is_simulated=True)
    samples = given.street_photos(project, count=8)
    assert Reference.objects.filter(sample__in=samples, scheme="building_use").count() == 8
    shown = describe_samples(samples)
    for sample in samples:
        told = shown[sample.pk]
        assert told["patch"]
        assert all(0 <= part <= 1 for part in told["place"])
        assert abs((told["map_heading_deg"] - sample.heading_deg + 180) % 360 - 180) < 3
    answer = client_of(given.member(project)).get(
        f"/catalog/samples/{samples[0].pk}/picture/sentinel2/true_colour.png?context=3&season=summer"
    )
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/png"


def test_a_view_that_only_a_question_declares_is_drawn():
    project = given.project(is_simulated=True)
    (sample,) = given.posts(project, count=1)
    answer = client_of(given.member(project)).get(f"/catalog/samples/{sample.pk}/picture/sentinel2/surfaces.png")
    assert answer.status_code == 200
    odd = client_of(given.member(project)).get(f"/catalog/samples/{sample.pk}/picture/sentinel2/nonsense.png")
    assert odd.status_code == 400
    assert b"surfaces" in odd.content


def test_patches_have_no_content_and_cost_no_query(django_assert_num_queries):
    samples = given.samples(given.project(), 3)
    with django_assert_num_queries(0):
        assert describe_samples(samples) == {sample.pk: {} for sample in samples}


def test_many_photos_are_described_with_two_queries(files, django_assert_num_queries):
    region = given.region(given.project())
    ingest_photos(region=region, paths=files)
    samples = list(Sample.objects.select_related("region"))
    with django_assert_num_queries(2):
        describe_samples(samples)


def test_the_command_takes_a_folder_and_says_what_it_found(files, capsys):
    call_command("ingest_photos", str(files[0].parent), "--project", "streets", "--region", "Testford")
    assert "3 new photos of 3." in capsys.readouterr().out
    assert Region.objects.get().samples.count() == 3
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("ingest_photos", "gone.jpg", "--region", "Testford")
    with pytest.raises(CommandError, match="must be a slug"):
        call_command("ingest_photos", str(files[0]), "--project", "No Slug", "--region", "Testford")


def test_real_photos_are_served_without_a_byte_of_metadata(real_data):
    project = given.project()
    paths = sorted((real_data / "street-photos").glob("*.jpg"))
    client = client_of(given.member(project))
    for one in ingest_photos(region=given.region(project), paths=paths):
        content = client.get(f"/catalog/samples/{one.sample.pk}/photo.jpg").content
        assert len(content) > 100_000
        for trace in (b"Exif", b"xmpmeta", b"8BIM", b"ICC_PROFILE", b"iPhone", b"MAP"):
            assert trace not in content[:4_096]
        assert not Image.open(Path(find_photo(one.sample).uri)).getexif()


def test_the_pages_of_regions_tell_patches_photos_and_posts_apart():
    project = given.project(is_simulated=True)
    samples = given.street_photos(project, count=3)
    given.posts(project, count=2)
    client = client_of(given.member(project))
    region = samples[0].region
    page = client.get(f"/catalog/regions/{region.pk}/").content.decode()
    assert "16 patches" in page
    assert "3 street photos" in page
    assert "2 posts" in page
    assert f"/catalog/samples/{samples[0].pk}/photo.jpg" in page
    row = client.get("/catalog/").content.decode().split("<tbody>")[1]
    assert [f'<td class="n">{count}</td>' in row for count in (16, 3, 2)] == [True] * 3
