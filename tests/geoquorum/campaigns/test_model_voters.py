"""A trained model joins as one more voter only where it beats the panel on gold; else its votes stay, uncounted."""

import csv

import numpy as np
import pyarrow as pa
import pytest
from django.urls import reverse

from fusion import scheme as schemes
from fusion.errors import BadVotesError
from geoquorum.campaigns import services
from geoquorum.campaigns.models import ConsensusRun, Gold, Vote
from geoquorum.campaigns.services.agreement import find_agreement
from geoquorum.queue.models import Job
from geoquorum.queue.services import run_claimed
from tests import given

pytestmark = pytest.mark.django_db
CODES = schemes.find("lcz17").codes
COUNT = 60


class Trial:
    """Sixty samples; three experts who are wrong together on every third; a model's answers; gold for some."""

    def __init__(self, *, right, gold):
        self.project = given.project()
        self.campaign = given.campaign(self.project, count=COUNT, quota=5)
        self.round = services.current_round(campaign=self.campaign)
        self.ids = list(self.round.round_samples.order_by("sample").values_list("sample", flat=True))
        self.truth = np.arange(COUNT) % 17
        panel = np.where(np.arange(COUNT) % 3 == 0, (self.truth + 1) % 17, self.truth)
        for name in ("ann", "bea", "cyd"):
            self.take(name, panel, "person")
        self.model = self.truth if right else (self.truth + 2) % 17
        self.take("net", self.model, "model")
        Gold.objects.bulk_create(
            Gold(campaign=self.campaign, sample_id=self.ids[place], code=CODES[self.truth[place]], use="monitor")
            for place in range(gold)
        )
        services.close_campaign(campaign=self.campaign, by=None)
        for job in Job.objects.filter(state="queued"):
            run_claimed(job.pk, services.refit)
        self.run = ConsensusRun.objects.get(campaign=self.campaign, method="majority")

    def take(self, name, answers, kind):
        table = pa.table({"voter": [name] * COUNT, "sample": self.ids, "code": [CODES[one] for one in answers]})
        services.import_votes(round=self.round, table=table, by=None, kind=kind)


def test_a_model_that_beats_the_panel_on_gold_is_counted():
    trial = Trial(right=True, gold=45)
    (judged,) = trial.run.summary["models"]
    assert (judged["expert"], judged["is_admitted"], judged["samples"]) == ("net", True, 45)
    assert judged["low"] > 0
    assert (judged["model_accuracy"], judged["panel_accuracy"]) == (1.0, pytest.approx(2 / 3))
    assert trial.run.votes_count == 4 * COUNT
    assert "net" in trial.run.experts


@pytest.mark.parametrize(
    ("right", "gold", "words"), [(False, 45, "worse"), (True, 20, "decide nothing"), (True, 0, "no gold sample")]
)
def test_any_other_model_is_kept_but_not_counted(right, gold, words):
    trial = Trial(right=right, gold=gold)
    (judged,) = trial.run.summary["models"]
    assert not judged["is_admitted"]
    assert words in judged["reason"]
    assert trial.run.votes_count == 3 * COUNT
    assert "net" not in trial.run.experts
    assert set(trial.run.rows.values_list("votes_count", flat=True)) == {3}
    assert find_agreement(trial.run)["figures"]["pair_agreement"]["value"] == 1.0  # the three always agree
    assert Vote.objects.filter(expert__pseudonym="net", is_machine=True).count() == COUNT


def test_the_page_says_so_and_names_what_the_model_contradicts(client):
    trial = Trial(right=True, gold=20)
    client.force_login(given.member(trial.project))
    page = client.get(reverse("campaigns:consensus", args=[trial.campaign.pk]), {"run": trial.run.pk})
    html = page.content.decode()
    assert "net: its votes do not count" in html
    assert "contradicts the panel&#x27;s label of 20 samples" in html or "contradicts the panel's label of 20" in html
    table = client.get(reverse("campaigns:csv", args=[trial.campaign.pk, trial.run.pk, "models"]))
    rows = list(csv.DictReader(b"".join(table.streaming_content).decode().splitlines()))
    assert [int(row["contradicted_sample"]) for row in rows] == trial.ids[::3]


def test_a_model_stays_a_model_and_an_expert_no_model():
    round = services.current_round(campaign=given.campaign(given.project(), count=3, quota=3))
    (one, two, _three) = round.round_samples.values_list("sample", flat=True)

    def take(name, sample, kind):
        table = pa.table({"voter": [name], "sample": [sample], "code": ["A"]})
        return services.import_votes(round=round, table=table, by=None, kind=kind)

    take("net", one, "model")
    take("ann", one, "person")
    with pytest.raises(BadVotesError, match="'net', known here as a model"):
        take("net", two, "person")
    with pytest.raises(BadVotesError, match="'ann', known here as no model"):
        take("ann", two, "model")
    assert Vote.objects.count() == 2
