"""A curator decides, with a reason; votes stay, releases say so."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction
from django.http import Http404
from django.urls import reverse

from geoquorum.accounts.models import Event
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Adjudication, Vote
from geoquorum.campaigns.services import RefusedError
from geoquorum.campaigns.services.adjudication import adjudicate, hash_reasons, last_decision, latest_decisions
from tests import given

pytestmark = pytest.mark.django_db


class Case:
    """A campaign of two samples, closed unless told otherwise."""

    def __init__(self, is_closed=True):
        self.project = given.project()
        self.campaign = given.campaign(self.project, count=2)
        if is_closed:
            services.close_campaign(campaign=self.campaign, by=None)
        self.round = services.current_round(campaign=self.campaign)
        self.samples = [row.sample for row in self.round.round_samples.order_by("sample")]
        self.curator = given.member(self.project, "curator")

    def decide(self, **said):
        standard = {"round": self.round, "sample": self.samples[0], "by": self.curator, "reason": "Seen on the ground."}
        return adjudicate(**standard | said)


def test_the_latest_decision_counts_and_the_earlier_stays():
    case = Case()
    first = case.decide(code="3")
    until = last_decision(campaign=case.campaign)
    second = case.decide(reason="Half of each, seen again.")
    other = case.decide(sample=case.samples[1], code="G")
    assert (first.is_ambiguous, second.is_ambiguous, second.code) == (False, True, "")
    assert latest_decisions(campaign=case.campaign) == {case.samples[0].pk: second, case.samples[1].pk: other}
    assert latest_decisions(campaign=case.campaign, until=until) == {case.samples[0].pk: first}
    assert Adjudication.objects.count() == 3
    assert Event.objects.filter(action="sample adjudicated").count() == 3


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"reason": ""}, "needs a reason"),
        ({"reason": " \n\0 "}, "needs a reason"),
        ({"reason": "x" * 4001}, "needs a reason"),
        ({"code": "Z"}, "not a code of lcz17"),
        ({"code": "<script>"}, "not a code of lcz17"),
    ],
)
def test_decisions_without_reason_or_outside_the_scheme_are_refused(said, words):
    case = Case()
    with pytest.raises(RefusedError, match=words):
        case.decide(**said)
    assert not Adjudication.objects.exists()
    assert not Event.objects.filter(action="sample adjudicated").exists()


def test_nothing_is_decided_before_the_close():
    with pytest.raises(RefusedError, match="after the close"):
        Case(is_closed=False).decide(code="3")
    assert not Adjudication.objects.exists()


def test_only_curators_of_the_project_decide_and_only_about_its_samples():
    case, other = Case(), Case()
    with pytest.raises(PermissionDenied):
        case.decide(by=given.member(case.project, "expert"), code="3")
    with pytest.raises(Http404):
        case.decide(by=other.curator, code="3")
    with pytest.raises(RefusedError, match="did not ask"):
        case.decide(sample=other.samples[0], code="3")
    assert not Adjudication.objects.exists()


def test_the_application_can_neither_change_nor_delete_a_decision():
    made = Case().decide(code="3")
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE geoquorum_app")
        try:
            for statement in ("UPDATE campaigns_adjudication SET code = '4'", "DELETE FROM campaigns_adjudication"):
                with pytest.raises(DatabaseError), transaction.atomic():
                    cursor.execute(statement)
        finally:
            cursor.execute("RESET ROLE")
    made.refresh_from_db()
    assert made.code == "3"


def test_the_page_takes_a_decision_and_the_consensus_marks_it(client):
    project = given.project()
    run = given.consensus(project, [given.city(project)])
    row = run.rows.order_by("sample").first()
    votes = list(Vote.objects.order_by("pk").values())
    client.force_login(given.member(project, "curator"))
    address = reverse("campaigns:adjudicate", args=[run.campaign_id, row.sample_id])
    client.post(address, {"code": "10", "reason": "<b>A refinery</b>"})
    made = Adjudication.objects.get()
    assert (made.code, made.reason, made.round) == ("10", "<b>A refinery</b>", run.round)
    page = client.get(reverse("campaigns:sample", args=[run.campaign_id, row.sample_id])).content.decode()
    assert "&lt;b&gt;A refinery" in page
    assert "<b>A refinery" not in page
    assert "adjudicated" in client.get(reverse("campaigns:consensus", args=[run.campaign_id])).content.decode()
    assert list(Vote.objects.order_by("pk").values()) == votes
    client.force_login(given.member(project, "expert"))
    assert client.post(address, {"code": "10", "reason": "I think so"}).status_code == 403
    assert Adjudication.objects.count() == 1


def test_the_hash_of_reasons_depends_on_what_was_said_and_not_on_the_order():
    case = Case()
    one, two = case.decide(code="3"), case.decide(sample=case.samples[1])
    assert hash_reasons([("a", one), ("b", two)]) == hash_reasons([("b", two), ("a", one)])
    assert hash_reasons([("a", one)]) != hash_reasons([("a", two)])
    assert len(hash_reasons([])) == 64
