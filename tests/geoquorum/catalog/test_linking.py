"""What belongs together in a region: linked by place, view and time, anew each time, and told in words."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import shapely
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from pyproj import Transformer

from fusion.errors import BadInputError
from fusion.grid import cell_at, parse_cell
from geoquorum.catalog import joins, linking
from geoquorum.catalog.joins import Reach
from geoquorum.catalog.linking import link_region
from geoquorum.catalog.models import Asset, Link, Post, Sample
from geoquorum.catalog.posts import erase_author
from geoquorum.catalog.pseudonyms import hash_author
from geoquorum.queue.models import Job, JobState
from tests import given

pytestmark = pytest.mark.django_db
HERE = cell_at(13.4, 52.5)
EAST = parse_cell(f"{HERE.zone}N-320-{HERE.column + 1}-{HERE.row}")
BACK = Transformer.from_crs(HERE.epsg, 4326, always_xy=True)
DAY = datetime(2026, 6, 1, tzinfo=UTC)


def at(east_m, north_m):
    """Degrees of a point some metres from the south-west corner of the first patch."""
    west, south = HERE.bounds[:2]
    return BACK.transform(west + east_m, south + north_m)


@pytest.fixture
def region():
    """Two patches side by side that show the first thirty days of June."""
    region = given.region(given.project(), name="Here")
    for cell in (HERE, EAST):
        place = dict(zip(("longitude", "latitude"), cell.centre_lonlat, strict=True))
        times = {"captured_from": DAY, "captured_to": DAY + timedelta(days=30)}
        given.sample(region.project, region, key=cell.id, cell=cell.id, width_px=32, pixel_size_m=10, **place, **times)
    return region


def put(region, kind, east_m, north_m, **fields):
    longitude, latitude = at(east_m, north_m)
    return given.sample(region.project, region, kind=kind, longitude=longitude, latitude=latitude, **fields)


def put_file(region, modality, uri="file", facts=None, **fields):
    fixed = {"project": region.project, "sha256": "0" * 64, "size_bytes": 1, "driver": "x", "bands": [], "dtype": ""}
    told = {"facts": [facts or {}], "notes": []}
    return Asset.objects.create(region=region, modality=modality, uri=str(uri), attributes=told, **fixed | fields)


def pairs(kind):
    links = Link.objects.filter(kind=kind)
    return {(link.sample.key, link.other.key if link.other else Path(link.asset.uri).name) for link in links}


def test_photos_belong_to_what_they_look_at_and_posts_to_where_they_are(region):
    out = put(region, "street_view", 300, 160, key="out", heading_deg=90, field_of_view_deg=60)
    away = put(region, "street_view", -20, 160, key="away", heading_deg=270, field_of_view_deg=60)
    put(region, "street_view", -20, 100, key="blind")
    post = put(region, "post", 310, 160, key="said")
    put(region, "post", 5_000, 160, key="far")
    found = link_region(region=region)
    assert pairs("photo") == {(HERE.id, "out"), (EAST.id, "out"), (HERE.id, "blind")}
    assert pairs("post") == {(HERE.id, "said"), (EAST.id, "said")}
    one = Link.objects.get(sample__key=EAST.id, other=out)
    assert (one.distance_m, one.off_axis_deg) == pytest.approx((180, 0), abs=1.5)
    assert 0 < one.share < 0.06
    assert Link.objects.get(sample__key=HERE.id, other=post).distance_m == pytest.approx(150, rel=0.01)
    assert found.kinds["photo"] | {"share": 0} == {
        "links": 3, "patches": 2, "things": 2, "nearest_m": pytest.approx(140, abs=2),
        "median_m": pytest.approx(180, abs=2), "furthest_m": pytest.approx(190, abs=2), "share": 0,
    }  # fmt: skip
    assert not away.links_to.exists()
    assert found.describe() == ["Region Here: linked: 2 photos to 2 patches (140 m to 190 m); 1 post to 2 patches "
                                "(150 m to 170 m)."]  # fmt: skip


def test_links_are_made_anew_and_only_those_of_the_region(region):
    other = given.region(region.project, name="There")
    put(region, "post", 160, 160, key="first")
    put(other, "post", 160, 160, key="elsewhere")
    link_region(region=region)
    before = list(Link.objects.values_list("sample", "other", "distance_m"))
    link_region(region=region)
    assert list(Link.objects.values_list("sample", "other", "distance_m")) == before != []
    put(region, "post", 10, 10, key="late")
    link_region(region=other)
    assert pairs("post") == {(HERE.id, "first")}
    link_region(region=region)
    assert pairs("post") == {(HERE.id, "first"), (HERE.id, "late")}


def test_many_patches_pass_in_pieces_with_the_same_links(region, monkeypatch):
    for step in range(6):
        put(region, "post", 100 * step, 160, key=f"post {step}")
    link_region(region=region)
    whole = set(Link.objects.values_list("sample__key", "other__key", "distance_m"))
    monkeypatch.setattr(joins, "PATCHES_AT_ONCE", 1)
    link_region(region=region)
    assert set(Link.objects.values_list("sample__key", "other__key", "distance_m")) == whole
    assert len(whole) > 6


def test_reach_and_window_are_kept_for_the_next_time_and_bound_what_is_linked(region):
    put(region, "post", -50, 160, key="near", captured_from=DAY + timedelta(days=3))
    put(region, "post", 160, 160, key="early", captured_from=DAY - timedelta(days=20))
    put(region, "post", 160, 160, key="undated")
    link_region(region=region)
    lags = dict(Link.objects.filter(sample__key=HERE.id).values_list("other__key", "lag_s"))
    assert lags == {"near": 0, "early": -20 * 86_400, "undated": None}
    link_region(region=region, reach=Reach(within_m=0, window_days=30))
    assert pairs("post") == {(HERE.id, "early")}
    region.refresh_from_db()
    assert link_region(region=region).reach == Reach(within_m=0, window_days=30)
    assert pairs("post") == {(HERE.id, "early")}


def test_the_nearest_station_of_a_file_is_linked_and_one_without_a_place_to_all_of_the_region(region):
    times = {"captured_from": DAY + timedelta(days=40), "captured_to": DAY + timedelta(days=50)}
    places = {"near": at(400, 160), "far": at(9_000, 160), "abroad": (2.0, 48.0)}
    put_file(region, "weather_station", "towers.csv", {"stations": list(places), "places": places}, **times)
    put_file(region, "weather_station", "typical.txt", {"stations": ["typical"], "places": {}})
    link_region(region=region)
    near = Link.objects.get(sample__key=HERE.id, asset__uri="towers.csv")
    assert (near.name, near.lag_s) == ("near", 10 * 86_400)
    assert near.distance_m == pytest.approx(240, rel=0.01)
    unplaced = Link.objects.filter(asset__uri="typical.txt")
    assert set(unplaced.values_list("name", "distance_m", "lag_s")) == {("typical", None, None)}
    assert unplaced.count() == 2
    link_region(region=region, reach=Reach(station_m=100))
    assert pairs("station") == {(HERE.id, "typical.txt"), (EAST.id, "typical.txt")} | {(EAST.id, "towers.csv")}


def write_shapes(path, *boxes, **properties):
    features = [
        {
            "type": "Feature",
            "properties": properties or {"id": 1},
            "geometry": shapely.geometry.mapping(shapely.Polygon([at(w, s), at(e, s), at(e, n), at(w, n)])),
        }
        for w, s, e, n in boxes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_footprints_are_counted_and_their_share_of_the_ground_is_kept(region, tmp_path):
    path = write_shapes(tmp_path / "houses.geojson", (0, 0, 32, 320), (300, 0, 340, 320), building="yes")
    call_command("ingest", str(path), project=region.project.slug, region="Here", stdout=StringIO())
    links = {link.sample.key: link for link in Link.objects.filter(kind="footprints")}
    assert {key: link.count for key, link in links.items()} == {HERE.id: 2, EAST.id: 1}
    assert links[HERE.id].share == pytest.approx(52 / 320, rel=0.01)
    assert links[EAST.id].share == pytest.approx(20 / 320, rel=0.01)


def test_shapes_that_are_no_buildings_and_placed_rasters_are_linked_by_their_share(region, tmp_path):
    write_shapes(tmp_path / "parks.geojson", (0, 0, 160, 320))
    call_command(
        "ingest", str(tmp_path / "parks.geojson"), project=region.project.slug, region="Here", stdout=StringIO()
    )
    west, south = HERE.bounds[:2]
    put_file(
        region, "array", "classes.tif", epsg=HERE.epsg, transform=[10, 0, west, 0, -10, south + 320],
        width=48, height=32, west=13, south=52, east=14, north=53,
    )  # fmt: skip
    put_file(region, "lidar", "cloud.laz", west=13, south=52, east=14, north=53)
    put_file(region, "array", "nowhere.npy")
    link_region(region=region)
    shares = {(link.kind, link.sample.key): link.share for link in Link.objects.all()}
    assert shares == {
        ("shapes", HERE.id): pytest.approx(0.5, rel=0.01),
        ("map", HERE.id): pytest.approx(1),
        ("map", EAST.id): pytest.approx(0.5, rel=1e-3),
        ("heights", HERE.id): 1,
        ("heights", EAST.id): 1,
    }


def test_patches_between_the_cells_are_linked_by_their_own_ground(region):
    west, south = HERE.bounds[:2]
    fields = {"transform": [10, 0, west + 160, 0, -10, south + 320], "epsg": HERE.epsg, "width_px": 32}
    given.sample(region.project, region, key="between", pixel_size_m=10, **fields)
    put(region, "post", 470, 10, key="said")
    link_region(region=region, reach=Reach(within_m=0))
    assert pairs("post") == {(EAST.id, "said"), ("between", "said")}


def test_a_file_that_is_gone_is_named_and_the_others_are_linked(region, tmp_path):
    put_file(region, "vector", tmp_path / "lost.shp", {"layer": "shapes", "geometry_types": {"Polygon": 1}})
    put(region, "post", 160, 160, key="said")
    found = link_region(region=region)
    assert pairs("post") == {(HERE.id, "said")}
    assert found.troubles == ["lost.shp is gone from where it lay; ingest it again."]
    assert "not linked: lost.shp is gone" in found.describe()[-1]


def test_erasing_an_author_takes_the_time_out_of_the_links(region, settings):
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"
    said = put(region, "post", 160, 160, captured_from=DAY)
    Post.objects.create(sample=said, text="here", posted_at=DAY, author=hash_author(region.project, "ann"))
    link_region(region=region)
    assert Link.objects.get().lag_s == 0
    erase_author(project=region.project, handle="ann", by=None)
    assert Link.objects.get().lag_s is None


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"within_m": -1}, "0 to 20000 m"),
        ({"within_m": float("nan")}, "0 to 20000 m"),
        ({"station_m": 0}, "within 500 km"),
        ({"window_days": -2}, "0 days or more"),
    ],
)
def test_a_reach_that_bounds_nothing_is_refused(choice, said):
    with pytest.raises(BadInputError, match=said):
        Reach(**choice)


def test_the_command_links_again_with_what_it_is_told(region):
    put(region, "post", -50, 160, key="near", captured_from=DAY)
    out = StringIO()
    call_command("link", project=region.project.slug, region="Here", stdout=out)
    assert out.getvalue() == "Region Here: linked: 1 post to 1 patch (210 m to 210 m).\n"
    out = StringIO()
    call_command("link", project=region.project.slug, within_m=10, stdout=out)
    assert out.getvalue() == "Region Here: nothing lies on or near its 2 patches.\n"
    call_command("link", project=region.project.slug, window_days=9, within_m=60, stdout=StringIO())
    call_command("link", project=region.project.slug, any_time=True, stdout=StringIO())
    region.refresh_from_db()
    assert linking.find_reach(region) == Reach(within_m=60)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"project": "x"}, "no project 'x'"), ({"region": "y"}, "no region 'y'"), ({"within_m": -4}, "0 to 20000 m")],
)
def test_a_command_that_cannot_be_says_why(region, options, said):
    with pytest.raises(CommandError, match=said):
        call_command("link", **{"project": region.project.slug} | options)


def test_a_worker_links_what_came_in_by_the_browser(region):
    assert linking.queue_link(region=given.region(region.project, name="Empty"), by=None) is None
    put(region, "post", 160, 160)
    job = given.work(linking.queue_link(region=region, by=None), linking.execute_link)
    assert (job.state, job.result) == (JobState.DONE, {"region": region.pk, "links": 1})
    assert Link.objects.count() == 1


def test_what_curators_send_is_linked_by_a_worker(client, region, settings):
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"
    longitude, latitude = at(160, 160)
    table = SimpleUploadedFile("posts.csv", f"id,text,longitude,latitude\n7,hello,{longitude},{latitude}\n".encode())
    client.force_login(given.member(region.project, "curator"))
    client.post(
        reverse("catalog:files", args=[region.project.slug]), {"kind": "posts", "region": "Here", "file": table}
    )
    given.work(Job.objects.get(kind=linking.KIND), linking.execute_link)
    assert Link.objects.get().other.post.text == "hello"


def test_pages_show_what_is_linked(client, region):
    photo = put(region, "street_view", 300, 160, key="out", heading_deg=90, field_of_view_deg=60, captured_from=DAY)
    said = put(region, "post", 310, 160, captured_from=DAY + timedelta(days=90))
    Post.objects.create(sample=said, text="A quiet street", posted_at=DAY)
    put_file(
        region, "weather_station", "met.txt", {"rows": 9, "stations": ["mast 7"], "places": {"mast 7": at(800, 160)}}
    )
    link_region(region=region)
    client.force_login(given.member(region.project))
    page = client.get(reverse("catalog:region", args=[region.pk])).content.decode()
    assert "Linked to its patches" in page
    assert "up to 100 m beside it" in page
    patch = client.get(reverse("catalog:sample", args=[Sample.objects.get(key=EAST.id).pk])).content.decode()
    assert "A quiet street" in patch
    assert "60 days later" in patch
    assert "at the same time" in patch
    assert "mast 7" in patch
    shown = client.get(reverse("catalog:sample", args=[photo.pk])).content.decode()
    assert EAST.id in shown
    assert HERE.id in shown
    client.force_login(given.user())
    assert client.get(reverse("catalog:sample", args=[photo.pk])).status_code == 404


def test_the_map_shows_photos_with_their_view_posts_and_patches(region):
    from geoquorum.catalog.footprints import lay_out

    put(region, "street_view", 300, 160, heading_deg=90, field_of_view_deg=60)
    put(region, "post", 310, 160)
    given.sample(region.project, region, footprint=shapely.geometry.mapping(EAST.footprint))
    drawn = lay_out(region, [], [])
    assert (len(drawn.photos), len(drawn.posts), len(drawn.views)) == (1, 1, 1)
    assert drawn.patches.startswith("M")
    assert 0 < drawn.photos[0][0] < drawn.width
    assert not lay_out(given.region(region.project, name="Empty"), [], []).width


def test_each_of_a_thousand_posts_belongs_to_the_one_patch_it_lies_on(region, monkeypatch):
    monkeypatch.setattr(joins, "PATCHES_AT_ONCE", 150)
    rng = np.random.default_rng(1)
    cells = [parse_cell(f"{HERE.zone}N-320-{HERE.column + x}-{HERE.row + y}") for x in range(20) for y in range(20)]
    Sample.objects.bulk_create(
        Sample(project=region.project, region=region, kind="patch", key=f"p{cell.id}", cell=cell.id) for cell in cells
    )
    places = [at(*rng.uniform(0, 6_400, 2)) for _ in range(1_000)]
    Sample.objects.bulk_create(
        Sample(project=region.project, region=region, kind="post", key=f"s{n}", longitude=x, latitude=y)
        for n, (x, y) in enumerate(places)
    )
    Sample.objects.filter(key__in=[HERE.id, EAST.id]).delete()
    found = link_region(region=region, reach=Reach(within_m=0))
    assert (found.patches, found.kinds["post"]["links"], found.kinds["post"]["things"]) == (400, 1_000, 1_000)
    for link in Link.objects.select_related("sample", "other")[::50]:
        assert link.sample.cell == cell_at(link.other.longitude, link.other.latitude).id
