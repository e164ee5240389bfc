"""Splits of versions: by the design asked for, areas kept whole, and a leak report that refuses what is shared."""

import io
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from django.urls import reverse
from shapely.geometry import Polygon

from annotation.panel import make_panel
from fusion.areas import Balance
from fusion.errors import BadInputError
from fusion.grid import parse_cell
from fusion.pack import Pack
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import Consensus, Vote
from geoquorum.campaigns.services.adjudication import adjudicate
from geoquorum.catalog import pixels
from geoquorum.catalog.areas import cut_areas
from geoquorum.catalog.models import Asset, Post, Sample
from geoquorum.releases import services
from geoquorum.releases.ballots import read_votes
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db
BLOCKS = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}
CODES = ("2", "2", "A", "A")


def draw_quarter(project, region, number):
    """One of the four quarters of a made-up city of 4 x 4 cells, as a training area."""
    cells = sorted(
        parse_cell(text) for text in Sample.objects.filter(region=region, kind="patch").values_list("cell", flat=True)
    )
    first = cells[0]
    column, row = first.column + 2 * (number // 2), first.row + 2 * (number % 2)
    corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
    rings = [parse_cell(f"{first.id.split('-')[0]}-320-{x}-{y}").footprint_lonlat for x, y in corners]
    return given.area(project, Polygon([rings[0][0], rings[1][1], rings[2][2], rings[3][3]]), region=region)


class World:
    """One city whose four quarters are areas that three simulated experts voted on, each cut into 3 x 3 patches."""

    def __init__(self):
        self.project = given.project()
        self.region = given.city(self.project)
        self.areas = [draw_quarter(self.project, self.region, number) for number in range(4)]
        asked = {"question": "lcz_area", "samples": self.areas, "quota": 3}
        campaign = given.campaign(self.project, **asked)
        panel = make_panel(1, experts=3, accuracy=0.99)
        ids = tuple(area.pk for area in self.areas)
        votes = panel.vote([panel.codes.index(code) for code in CODES], 1, sample_ids=ids)
        table = campaigns.tabulate_panel(votes, panel.codes)
        campaigns.import_votes(round=campaigns.current_round(campaign=campaign), table=table, by=None)
        campaigns.close_campaign(campaign=campaign, by=None)
        self.run = campaign.consensus_runs.select_related("campaign__project", "job").get(method="majority")
        given.work(self.run.job, campaigns.refit)
        self.run.refresh_from_db()
        said = io.StringIO()
        asked = {"project": self.project.slug, "run": self.run.pk, "finest_m": 160, "target": 18}
        call_command("patches_of_areas", **asked, stdout=said)
        self.said = said.getvalue()


@pytest.fixture(scope="module")
def shared_world(shared_rows):
    return World()


@pytest.fixture
def world(shared_world, settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return shared_world


@pytest.fixture
def run(shared_run, settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return shared_run


def build(run, **choices) -> DatasetVersion:
    asked = {"run": run, "name": "zones", "modalities": given.MODALITIES, "design": BLOCKS, "by": None}
    made = services.start_release(**asked | choices)
    given.work(made.job, services.build)
    made.refresh_from_db()
    return made


def read(version) -> list[dict]:
    assert version.state == BuildState.READY, version.reason
    return Pack.open(Path(version.uri), sha256=version.sha256).samples.to_pylist()


def read_page(client, version) -> str:
    client.force_login(given.member(version.project, "curator"))
    return client.get(reverse("releases:detail", args=[version.pk])).content.decode()


def test_areas_that_were_voted_on_go_in_as_their_patches(world):
    votes = Vote.objects.count()
    rows = read(build(world.run))
    assert len(rows) == 36
    assert "36 patches, 36 of them new" in world.said
    for row in rows:
        patch = Sample.objects.get(project=world.project, key=row["id"])
        area = world.run.rows.get(sample=patch.parent)
        assert (row["label"], row["votes"], row["distribution"]) == (
            area.code,
            area.counts,
            pytest.approx(area.distribution),
        )
        assert "of an area" in row["flags"]
    assert Vote.objects.count() == votes == 12
    assert Consensus.objects.filter(run=world.run).count() == 4


def test_patches_between_cells_go_in_with_the_pixels_of_their_ground(world):
    version = build(world.run)
    pack = Pack.open(Path(version.uri))
    values = pack.array("sentinel2").gather(np.arange(len(pack)))
    ids = pack.samples.column("id").to_pylist()
    off = [place for place, cell in enumerate(pack.samples.column("cell").to_pylist()) if not cell]
    assert len(off) == 20  # five of nine per quarter lie between cells
    samples = [Sample.objects.get(project=world.project, key=ids[place]) for place in off]
    assert np.array_equal(values[off], pixels.read_samples(samples, "sentinel2", "summer").values)


def test_a_curators_decision_about_an_area_is_that_of_its_patches(world):
    area = world.areas[0]
    curator = given.member(world.project, "curator")
    adjudicate(round=world.run.round, sample=area, code="10", reason="Tanks and pipes.", by=curator)
    rows = read(build(world.run))
    decided = {row["label"] for row in rows if row["id"].startswith(area.key)}
    assert decided == {"10"}
    assert sum("adjudicated" in row["flags"] for row in rows) == 9


def test_exported_votes_name_each_patch_under_one_number(world):
    version = build(world.run)
    votes = read_votes(version).to_pylist()
    assert len(votes) == 36 * 3
    assert len({vote["vote"] for vote in votes}) == 12
    assert {vote["sample"] for vote in votes} == {row["id"] for row in read(version)}


def test_areas_without_patches_are_said(world):
    Sample.objects.filter(parent__in=world.areas).delete()
    version = build(world.run)
    assert version.state == BuildState.FAILED
    assert "4 areas without patches. Cut them first: manage.py patches_of_areas" in version.reason


def test_a_random_split_of_overlapping_patches_is_refused_on_the_page(client, world):
    version = build(world.run, design={"kind": "random", "share": 0.3})
    assert version.state == BuildState.FAILED
    assert "pairs of patches in different splits share ground, first " in version.reason
    assert not version.uri
    page = read_page(client, version)
    assert "pairs of patches in different splits share ground" in page
    assert "Put both into one split, or leave one out." in page


@pytest.mark.parametrize(
    "design",
    [BLOCKS, {"kind": "block", "block_m": 640.0, "buffer_m": 0.0}, {"kind": "city_blocks", "share": 0.5}],
    ids=["small blocks", "blocks", "city blocks"],
)
def test_splits_by_block_keep_areas_whole_and_pass(world, design):
    version = build(world.run, design=design)
    rows = read(version)
    by_area = {}
    for row in rows:
        by_area.setdefault(Sample.objects.get(project=world.project, key=row["id"]).parent_id, set()).add(row["split"])
    assert len(by_area) == 4
    assert all(len(found) == 1 for found in by_area.values())
    assert len({row["split"] for row in rows}) > 1
    leaks = version.summary["leaks"]
    assert leaks["overlaps"] == 0
    assert leaks["shared"]["area"] == {"groups": 0, "share": 0.0, "limit": 0.0, "first": [], "pairs": []}


def test_a_split_by_city_passes_with_areas(settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"
    version = given.version(given.project(), cities=3)
    assert version.state == BuildState.READY, version.reason
    assert version.summary["leaks"]["shared"]["scene"]["groups"] == 0


def test_a_random_split_parts_blocks_and_passes_only_where_that_is_said(run):
    design = {"kind": "random", "share": 0.4}
    refused = build(run, design=design)
    assert "of kind block lie in more than one split" in refused.reason
    allowed = build(run, design=design | {"limits": {"block": 1.0}})
    assert allowed.state == BuildState.READY, allowed.reason
    shared = allowed.summary["leaks"]["shared"]
    assert shared["block"]["groups"] > 0
    assert shared["block"]["limit"] == 1.0
    assert shared["scene"]["share"] == 1.0
    assert shared["scene"]["groups"] == 2  # one file of each modality


def test_a_scene_that_trains_and_tests_is_refused_where_the_limit_says_so(run):
    version = build(run, design=BLOCKS | {"limits": {"scene": 0.5}})
    assert version.state == BuildState.FAILED
    assert "2 of kind scene lie in more than one split" in version.reason
    assert "100.0% of the samples held out; at most 50.0% may" in version.reason


def test_culture_zones_hold_out_whole_cities(settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"
    project = given.project()
    regions = [given.city(project, number) for number in range(3)]
    run = given.consensus(project, regions)
    held = regions[0].name
    version = build(run, design={"kind": "culture_zone", "held": [held], "buffer_m": 0.0})
    rows = read(version)
    assert {row["split"] for row in rows if row["city"] == held} == {"validation", "test"}
    assert {row["split"] for row in rows if row["city"] != held} == {"train"}
    drawn = build(run, design={"kind": "culture_zone", "held": []})
    assert "holding it out leaves none of its kind to learn from" in drawn.reason
    for region in regions:
        region.culture_zone = "one"
        region.save()
    drawn = build(run, design={"kind": "culture_zone", "held": []})
    assert len({row["city"] for row in read(drawn) if row["split"] == "test"}) == 1


def test_photos_and_users_that_train_and_test_are_refused_and_named_without_their_authors(run):
    rows = list(run.rows.select_related("sample").order_by("sample__key"))
    facts = {"modality": "street_view", "size_bytes": 1, "driver": "JPEG", "bands": ["r"], "dtype": "uint8"}
    for row in rows:
        asset = {"project": row.sample.project, "sample": row.sample, "sha256": "ab" * 32}
        Asset.objects.create(uri=f"/photo/{row.pk}.jpg", **facts | asset)
        Post.objects.create(sample=row.sample, text="words", author="5ec7e7")
    assert "1 of kind photo lie in more than one split, first 'photo abab" in build(run).reason
    reason = build(run, design=BLOCKS | {"limits": {"photo": 1}}).reason
    assert "1 of kind user lie in more than one split, first 'user 1'" in reason
    assert "5ec7e7" not in reason
    version = build(run, design=BLOCKS | {"limits": {"photo": 1, "user": 1.0}})
    assert {"block", "scene", "photo", "user"} == version.summary["leaks"]["shared"].keys()


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ({"kind": "luck"}, "'luck'. Known: block, city, city_blocks, culture_zone, random"),
        (BLOCKS | {"limits": {"area": 1}}, "No limit can be set for 'area'"),
        (BLOCKS | {"limits": {"block": 2}}, "limit of block is a share from 0 to 1; got 2"),
        (BLOCKS | {"limits": {"block": True}}, "limit of block"),
        ({"kind": "random", "share": 1}, "lies between 0 and 1; got 1"),
        ({"kind": "city_blocks", "buffer_m": -1}, "0 m or more; got -1"),
    ],
)
def test_a_design_that_cannot_be_is_refused_at_once(run, design, said):
    with pytest.raises(BadInputError, match=said):
        build(run, design=design)
    assert not run.versions.exists()


def test_the_page_shows_what_splits_share_by_kind(client, world):
    version = build(world.run, design={"kind": "city_blocks", "share": 0.5})
    page = read_page(client, version)
    assert "What splits share" in page
    for word in ("blocks", "areas", "scenes", "36 samples compared", "Nearest across splits are", "100.0 %"):
        assert word in page


FORM = {
    "name": "zones",
    "statuses": ["settled", "disputed"],
    "modalities": ["sentinel1:", "sentinel2:summer"],
    "block_m": "640",
    "buffer_m": "0",
    "share": "25",
}


@pytest.mark.parametrize(
    ("asked", "design"),
    [
        ({"design": "random", "limit_block": "100"}, {"kind": "random", "share": 0.25, "limits": {"block": 1.0}}),
        ({"design": "city_blocks", "limit_block": "0"}, {"kind": "city_blocks", "share": 0.25, "buffer_m": 0.0}),
        (
            {"design": "block", "limit_scene": "10"},
            {"kind": "block", "block_m": 640.0, "buffer_m": 0.0, "limits": {"scene": 0.1}},
        ),
    ],
)
def test_the_form_asks_for_designs_and_limits(client, run, asked, design):
    client.force_login(given.member(run.campaign.project, "curator"))
    answer = client.post(reverse("releases:new", args=[run.pk]), FORM | asked)
    assert answer.status_code == 302, answer.content.decode()
    assert run.versions.get().design == design


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"design": "random", "limit_block": "101"}, "less than or equal to 100"),
        ({"design": "random", "share": "100"}, "less than or equal to 99"),
        ({"design": "culture_zone"}, "One city cannot be held out from itself"),
    ],
)
def test_the_form_says_what_cannot_be(client, run, asked, said):
    client.force_login(given.member(run.campaign.project, "curator"))
    answer = client.post(reverse("releases:new", args=[run.pk]), FORM | asked)
    assert answer.status_code == 400
    assert said in answer.content.decode()


def test_labels_of_patches_are_hidden_while_their_area_is_voted_on(client, world):
    version = build(world.run)
    patches = list(Sample.objects.filter(parent=world.areas[0]).exclude(cell="")[:2])
    given.campaign(world.project, samples=patches)
    client.force_login(given.member(world.project))
    page = client.get(reverse("releases:detail", args=[version.pk])).content.decode()
    assert "voted on blindly" in page
    assert all(patch.key not in page for patch in patches)


def test_a_patch_that_was_voted_on_itself_has_its_own_row(world):
    patch = Sample.objects.filter(parent=world.areas[0]).exclude(cell="").first()
    own = world.run.rows.get(sample=world.areas[2])
    own.pk, own.sample = None, patch
    own.save()
    rows = {row["id"]: row for row in read(build(world.run))}
    assert len(rows) == 36
    assert rows[patch.key]["label"] == own.code
    assert "of an area" not in rows[patch.key]["flags"]


def test_a_second_cut_by_other_votes_needs_a_word(world):
    codes = dict.fromkeys((area.pk for area in world.areas), "2")
    with pytest.raises(BadInputError, match="come from an earlier cut"):
        cut_areas(project=world.project, codes=codes, balance=Balance(target=9, finest_m=160), by=None)
