"""Curators' decisions in releases: the label, the flag, the count and the hash, and the votes as they were."""

import itertools
from pathlib import Path

import pytest
from django.urls import reverse

from fusion.pack import Pack
from geoquorum.campaigns.models import Vote
from geoquorum.campaigns.services.adjudication import adjudicate, hash_reasons
from geoquorum.releases import services as releases
from tests import given

pytestmark = pytest.mark.django_db
NUMBERS = itertools.count(1)


class World:
    """One city with a consensus; the first sample adjudicated as heavy industry, the second kept as ambiguous."""

    def __init__(self):
        self.project = given.project()
        self.run = given.consensus(self.project, [given.city(self.project)])
        self.curator = given.member(self.project, "curator")
        self.rows = sorted(self.run.rows.select_related("sample"), key=lambda row: row.sample.key)
        self.plain = self.build()
        said = {"round": self.run.round, "by": self.curator}
        self.label = adjudicate(sample=self.rows[0].sample, code="10", reason="Tanks and pipes.", **said)
        self.doubt = adjudicate(sample=self.rows[1].sample, reason="Half park, half houses.", **said)
        self.votes = list(Vote.objects.order_by("pk").values())
        self.version = self.build()

    def release(self, **choices):
        design = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}
        name = f"zones-{next(NUMBERS)}"  # folders outlive the rows of a test, so that none is met twice
        asked = {"run": self.run, "name": name, "modalities": given.MODALITIES, "design": design, "by": None}
        return releases.start_release(**asked | choices)

    def build(self, **choices):
        made = self.release(**choices)
        given.work(made.job, releases.build)
        made.refresh_from_db()
        return made


@pytest.fixture(scope="module")
def world(shared_rows):
    return World()


def read(version):
    """The pack's manifest, and its rows by sample."""
    pack = Pack.open(Path(version.uri), sha256=version.sha256)
    return pack.manifest, {row["id"]: row for row in pack.samples.to_pylist()}


def test_a_decided_label_goes_in_with_its_flag_and_the_votes_stay(world):
    _manifest, before = read(world.plain)
    _manifest, rows = read(world.version)
    decided, doubted = (world.rows[place].sample.key for place in (0, 1))
    assert rows[decided]["label"] == "10"
    assert rows[decided]["flags"][-1] == "adjudicated"
    assert rows[doubted]["flags"][-1] == "ambiguous"
    assert rows[doubted]["label"] == before[doubted]["label"]
    for key, row in rows.items():
        for column in ("distribution", "votes", "agreement", "entropy"):
            assert row[column] == before[key][column]
        if key not in (decided, doubted):
            assert (row["label"], row["flags"]) == (before[key]["label"], before[key]["flags"])
    assert list(Vote.objects.order_by("pk").values()) == world.votes


def test_the_manifest_counts_decisions_and_hashes_their_reasons(world):
    manifest, _rows = read(world.version)
    keys = [row.sample.key for row in world.rows]
    assert manifest["provenance"]["adjudication"] == {
        "labels": 1,
        "ambiguous": 1,
        "reasons_sha256": hash_reasons([(keys[0], world.label), (keys[1], world.doubt)]),
    }
    plain, _rows = read(world.plain)
    assert "adjudication" not in plain["provenance"]
    assert set(plain["provenance"]["selection"]) == {"statuses", "without_flags"}


def test_the_page_says_how_many_and_who_looks_reads_no_reason(client, world):
    client.force_login(world.curator)
    html = client.get(reverse("releases:detail", args=[world.version.pk])).content.decode()
    assert "1 labels adjudicated, 1 samples kept as ambiguous" in html
    assert "adjudicated" not in client.get(reverse("releases:detail", args=[world.plain.pk])).content.decode()


def test_ambiguous_samples_can_be_left_out(world):
    _manifest, rows = read(world.build(without_flags=("ambiguous",)))
    assert set(rows) == {row.sample.key for row in world.rows} - {world.rows[1].sample.key}


def test_a_decision_made_after_a_version_was_asked_for_is_not_in_it(world):
    waiting = world.release()
    adjudicate(round=world.run.round, sample=world.rows[2].sample, by=world.curator, code="G", reason="A pond.")
    given.work(waiting.job, releases.build)
    waiting.refresh_from_db()
    assert waiting.summary["adjudicated"] == 1


def test_a_decided_label_counts_as_settled_whatever_the_votes_said(world):
    world.run.rows.filter(pk=world.rows[0].pk).update(status="disputed", flags=["tie", "weak"])
    _manifest, rows = read(world.build(statuses=("settled",), without_flags=("tie", "weak")))
    assert world.rows[0].sample.key in rows
    assert rows[world.rows[0].sample.key]["flags"] == ["tie", "weak", "disputed", "adjudicated"]
