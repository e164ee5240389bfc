"""Areas drawn in the browser become the samples that KML files make; a bad outline is refused in one sentence."""

import json

import pytest
from django.test import Client
from django.urls import reverse
from shapely.geometry import shape

from annotation.exchange.kml import read_areas
from fusion import scheme as schemes
from geoquorum.accounts.models import Event, Expert, Role
from geoquorum.accounts.services import expert_of
from geoquorum.catalog.areas import read_codes, take_areas
from geoquorum.catalog.frames import transformer
from geoquorum.catalog.models import Reference, Region, Sample
from tests import given

pytestmark = pytest.mark.django_db
LCZ = schemes.find("lcz17")
EPSG = 32632


@pytest.fixture(scope="module")
def shared_region(shared_rows):
    return given.city(given.project())


@pytest.fixture
def region(shared_region):
    return Region.objects.select_related("project").get(pk=shared_region.pk)


@pytest.fixture
def artist(region):
    return given.member(region.project)


@pytest.fixture
def browser(artist):
    client = Client()
    client.force_login(artist)
    return client


def zone_of(region) -> int:
    return region.epsg


def ring(region, *shares: tuple[float, float]) -> list[list[float]]:
    """Corners in metres from shares of the region's width and height."""
    into = transformer(4326, zone_of(region)).transform
    wide, high = region.east - region.west, region.north - region.south
    return [list(into(region.west + x * wide, region.south + y * high)) for x, y in shares]


SQUARE = ((0.2, 0.2), (0.7, 0.2), (0.7, 0.7), (0.2, 0.7))


def save(client, region, corners, code="6", **more):
    said = {"epsg": zone_of(region), "corners": corners, "code": code} | more
    return client.post(
        reverse("catalog:save_area", args=[region.pk]), json.dumps(said), content_type="application/json"
    )


def test_a_drawn_area_is_a_sample_as_of_a_file_with_its_author(browser, region, artist, tmp_path):
    answer = save(browser, region, ring(region, *SQUARE))
    assert answer.status_code == 200, answer.json()
    area = Sample.objects.get(region=region, kind="area")
    pseudonym = Expert.objects.get(user=artist).pseudonym
    assert answer.json()["area"]["id"] == area.pk
    assert answer.json()["area"]["code"] == "6"
    assert len(answer.json()["area"]["corners"]) == 4
    assert area.attributes["author"] == pseudonym
    assert artist.username not in json.dumps(area.attributes)
    assert area.cell
    assert shape(area.footprint).contains(shape({"type": "Point", "coordinates": [area.longitude, area.latitude]}))
    row = Reference.objects.get(sample=area)
    assert (row.code, row.source) == ("6", f"drawn area: {pseudonym}")
    assert read_codes(project=region.project, scheme=LCZ) == ({area.pk: "6"}, [])
    assert Event.objects.get(action="area drawn").subject == f"sample {area.pk}"
    # out as KML, and the same area when it comes back
    kml = browser.get(reverse("catalog:areas_kml", args=[region.pk]))
    assert kml["Content-Disposition"].endswith('-areas.kml"')
    [read] = read_areas(kml.content, LCZ).areas
    assert (read.code, read.sample) == ("6", area.key)
    path = tmp_path / "back.kml"
    path.write_bytes(kml.content)
    _file, new = take_areas(region=region, path=path, scheme=LCZ, by=None)
    assert new == 0


@pytest.mark.parametrize(
    ("shares", "code", "said"),
    [
        (((0.2, 0.2), (0.7, 0.7), (0.7, 0.2), (0.2, 0.7)), "6", "does not cross itself"),
        (((0.2, 0.2), (0.7, 0.7)), "6", "needs 3 corners or more; this one has 2"),
        (((0.2, 0.2), (0.2, 0.2), (0.7, 0.7), (0.2, 0.2)), "6", "needs 3 corners or more; this one has 2"),
        (((0.2, 0.2), (0.22, 0.2), (0.22, 0.22)), "6", "draw 1 ha or more"),
        (((0.5, 0.5), (1.5, 0.5), (1.0, 0.9)), "6", "reaches beyond its region"),
        (((3.5, 0.5), (4.5, 0.5), (4.0, 0.9)), "6", "outside its region"),
        (SQUARE, "Z", "'Z' is no class of lcz17"),
        (SQUARE, "", "'' is no class of lcz17"),
        (SQUARE * 126, "6", "at most 500 corners; this one has 504"),
    ],
)
def test_a_bad_outline_is_refused_in_one_sentence_and_stores_nothing(browser, region, shares, code, said):
    answer = save(browser, region, ring(region, *shares), code)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert not Sample.objects.filter(kind="area").exists()
    assert not Reference.objects.filter(source__startswith="drawn").exists()


@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "{", "7", '{"corners": 3}', '{"epsg": 4326, "corners": []}', '{"epsg": "x"}',
        '{"epsg": 32632, "code": "6", "corners": [[1, 2], [3, "a"], [5, 6]]}',
        '{"epsg": 32632, "code": "6", "corners": [[1, 2], [3, null], [5, 6]]}',
        '{"epsg": 32632, "code": "6", "corners": [[1, 2], [1' + "0" * 400 + ', 4], [5, 6]]}',
        '{"epsg": 32632, "code": "6", "corners": [[1, 2], [3], [5, 6]]}',
        '{"epsg": 32632, "code": "6", "corners": [[1e999, 2], [3, 4], [5, 6]]}',
        '{"epsg": 32632, "code": "6", "corners": [[NaN, 2], [3, 4], [5, 6]]}',
        '{"epsg": 32632, "code": "6\\u0000", "corners": []}',
        '{"epsg": 32632, "code": "6", "corners": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"epsg": 32632, "code": "6", "corners": [' + "[1,2]," * 30_000 + "[1,2]]}",
    ],
)  # fmt: skip
def test_what_no_page_sends_is_refused_in_one_sentence(browser, region, body):
    address = reverse("catalog:save_area", args=[region.pk])
    answer = browser.post(address, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error"].count(".") >= 1
    assert not Sample.objects.filter(kind="area").exists()


def test_the_same_outline_twice_is_refused(browser, region):
    save(browser, region, ring(region, *SQUARE))
    answer = save(browser, region, ring(region, *SQUARE), "3")
    assert answer.status_code == 400
    assert "there already" in answer.json()["error"]
    assert Reference.objects.filter(sample__kind="area").count() == 1


def test_a_changed_area_takes_the_place_of_the_old_one_or_nothing_happens(browser, region):
    old = save(browser, region, ring(region, *SQUARE)).json()["area"]["id"]
    bad = save(browser, region, ring(region, (0.2, 0.2), (0.7, 0.7), (0.7, 0.2), (0.2, 0.7)), replaces=old)
    assert bad.status_code == 400
    assert Sample.objects.filter(pk=old).exists()
    new = save(browser, region, ring(region, *SQUARE[:3]), "5", replaces=old)
    assert new.status_code == 200
    assert list(Sample.objects.filter(kind="area").values_list("pk", flat=True)) == [new.json()["area"]["id"]]
    again = save(browser, region, ring(region, *SQUARE[:3]), "2", replaces=new.json()["area"]["id"])
    assert again.json()["area"]["code"] == "2"  # the same outline with another class


def test_an_area_is_taken_away_by_its_author_or_a_curator_and_by_no_other(browser, region, client):
    pk = save(browser, region, ring(region, *SQUARE)).json()["area"]["id"]
    address = reverse("catalog:remove_area", args=[region.pk, pk])
    client.force_login(given.member(region.project))
    assert client.post(address).status_code == 403
    assert save(client, region, ring(region, *SQUARE[:3]), replaces=pk).status_code == 403
    assert Sample.objects.filter(kind="area").count() == 1
    client.force_login(given.member(region.project, Role.CURATOR))
    assert client.post(address).json() == {"removed": pk}
    assert not Sample.objects.filter(kind="area").exists()
    assert Event.objects.filter(action="area removed").exists()
    assert browser.post(address).status_code == 404


def test_an_area_that_was_asked_about_or_cut_stays(browser, region):
    asked, cut = (
        Sample.objects.get(pk=save(browser, region, ring(region, *shares)).json()["area"]["id"])
        for shares in (SQUARE, SQUARE[:3])
    )
    given.campaign(region.project, samples=[asked], question="lcz_area")
    given.sample(region.project, region, parent=cut)
    for area, said in ((asked, "A campaign asks about this area"), (cut, "Patches were cut from this area")):
        answer = browser.post(reverse("catalog:remove_area", args=[region.pk, area.pk]))
        assert answer.status_code == 400
        assert said in answer.json()["error"]
    assert Sample.objects.filter(kind="area").count() == 2


def test_an_imported_area_is_nobodys_to_remove_here(browser, region):
    imported = given.area(region.project, shape({"type": "Point", "coordinates": [0, 0]}).buffer(1), region=region)
    assert browser.post(reverse("catalog:remove_area", args=[region.pk, imported.pk])).status_code == 404


def test_others_see_the_outline_and_not_the_class(browser, region, client):
    save(browser, region, ring(region, *SQUARE))
    own = browser.get(reverse("catalog:areas", args=[region.pk])).context["config"]
    assert [area["code"] for area in own["own"]] == ["6"]
    assert own["others"] == []
    other = given.member(region.project)
    client.force_login(other)
    page = client.get(reverse("catalog:areas", args=[region.pk]))
    assert page.context["config"]["own"] == []
    assert len(page.context["config"]["others"]) == 1
    assert "drawn area" not in page.content.decode()
    assert not Expert.objects.filter(user=other).exists()  # looking makes no row
    assert read_kml(client, region) == []
    client.force_login(given.member(region.project, Role.CURATOR))
    assert client.get(reverse("catalog:areas", args=[region.pk])).context["config"]["own"] == []
    assert read_kml(client, region) == ["6"]


def read_kml(client, region) -> list[str]:
    kml = client.get(reverse("catalog:areas_kml", args=[region.pk])).content
    return [area.code for area in read_areas(kml, LCZ).areas] if b"<Placemark" in kml else []


def test_tiles_show_the_scene_and_nothing_beyond_it(browser, region):
    sample = region.samples.filter(kind="patch").order_by("pk").first()

    def ask(cell: str, **query):
        return browser.get(reverse("catalog:tile", args=[region.pk, "sentinel2", "true_colour", cell]), query)

    seen = ask(sample.cell, season="summer")
    assert (seen.status_code, seen["Content-Type"]) == (200, "image/png")
    assert ask(sample.cell, season="summer").content == seen.content
    for cell, said in (("x", "not a cell id"), ("32N-330-1-2", "Tiles have sides of 160, 320")):
        answer = ask(cell)
        assert answer.status_code == 400
        assert said in answer.content.decode()
    assert "no sentinel2 scene of autumn" in ask(sample.cell, season="autumn").content.decode()


def test_a_region_without_a_scene_says_what_is_missing(client):
    region = given.region(given.project())
    client.force_login(given.member(region.project))
    page = client.get(reverse("catalog:areas", args=[region.pk])).content.decode()
    assert "Nothing to draw on yet" in page
    assert "draw-config" not in page
    answer = save_plain(client, region)
    assert answer.status_code == 400
    assert "no place on the ground" in answer.json()["error"]


def save_plain(client, region):
    corners = [[500_000, 5_000_000], [501_000, 5_000_000], [501_000, 5_001_000]]
    said = {"epsg": EPSG, "corners": corners, "code": "6"}
    return client.post(
        reverse("catalog:save_area", args=[region.pk]), json.dumps(said), content_type="application/json"
    )


def test_the_author_is_known_by_the_pseudonym_of_the_votes(browser, region, artist):
    before = expert_of(user=artist, project=region.project)
    save(browser, region, ring(region, *SQUARE))
    assert Sample.objects.get(kind="area").attributes["author"] == before.pseudonym
