"""Claims and votes: what is stored, what is refused, what each step changes."""

import datetime
import uuid

import psycopg
import pytest
from django.utils import timezone

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Comment, RoundSample, Vote
from geoquorum.campaigns.services import Ballot, RefusedError
from tests import given

pytestmark = pytest.mark.django_db


class Desk:
    """One expert at a campaign."""

    def __init__(self, campaign=None, **fields):
        self.campaign = campaign or given.campaign(given.project(), **fields)
        self.round = services.current_round(campaign=self.campaign)
        self.expert = given.expert(self.campaign.project)

    def claim(self, count=1):
        return services.claim(round=self.round, expert=self.expert, session=None, count=count)

    def vote(self, assignment, code="", **fields):
        ballot = Ballot(**{"assignment": assignment.pk, "client_uuid": uuid.uuid4(), "code": code} | fields)
        return services.cast_vote(campaign=self.campaign, expert=self.expert, ballot=ballot)

    def take_back(self, assignment):
        return self.vote(assignment, kind="taken_back")

    def skip(self, assignment, reason="1", **fields):
        return self.vote(assignment, kind="skip", skip_reason=reason, **fields)


def expire(assignment):
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - datetime.timedelta(seconds=5))


def slots(desk):
    return list(RoundSample.objects.filter(round=desk.round).values_list("slots_taken", flat=True))


def test_an_expert_gets_each_sample_once_until_nothing_is_left():
    desk = Desk(count=7)
    seen = []
    while claimed := desk.claim(count=3):
        for assignment in claimed:
            desk.vote(assignment, "3")
            seen.append(assignment.sample_id)
    assert len(seen) == len(set(seen)) == 7
    assert slots(desk) == [1] * 7


def test_claims_in_hand_come_first_and_are_not_doubled():
    desk = Desk()
    first = desk.claim(count=5)
    assert [each.pk for each in desk.claim(count=5)] == [each.pk for each in first]
    assert sum(slots(desk)) == 5


def test_two_experts_have_orders_of_their_own():
    desk = Desk(count=40)
    other = Desk(campaign=desk.campaign)
    orders = []
    for each in (desk, other):
        orders.append([])
        while claimed := each.claim():
            each.vote(claimed[0], "3")
            orders[-1].append(claimed[0].sample_id)
    assert sorted(orders[0]) == sorted(orders[1])
    assert sum(a == b for a, b in zip(*orders, strict=True)) < 8


def test_least_voted_samples_come_first_where_the_policy_says_so():
    desk = Desk(count=6, policy={"kind": "fixed", "order": "least_voted"})
    first = {each.sample_id for each in desk.claim(count=3)}
    assert first.isdisjoint(each.sample_id for each in Desk(campaign=desk.campaign).claim(count=3))


def test_a_vote_is_stored_as_said():
    desk = Desk()
    (assignment,) = desk.claim()
    shown = timezone.now() + datetime.timedelta(days=1)
    receipt = desk.vote(assignment, "A", second_code="B", is_sure=False, shown_at=shown, views_opened=("swir",))
    vote = Vote.objects.get()
    assert (vote.pk, vote.code, vote.second_code, vote.is_sure) == (receipt.vote, "A", "B", False)
    assert (vote.shown_at, vote.views_opened, vote.revision) == (shown, ["swir"], 0)
    assert vote.received_at < shown


def test_the_posterior_follows_votes_and_revisions():
    desk = Desk(count=1)
    (assignment,) = desk.claim()
    desk.vote(assignment, "3")
    desk.vote(assignment, "A")
    posterior = RoundSample.objects.get().posterior
    assert max(range(17), key=posterior.__getitem__) == 10
    assert sum(posterior) == pytest.approx(2)


def test_a_changed_and_withdrawn_vote_keeps_every_row_and_counts_the_latest():
    desk = Desk()
    (assignment,) = desk.claim()
    for code in ("1", "2", "3", "4", "5"):
        desk.vote(assignment, code)
    desk.take_back(assignment)
    assert len(services.latest_votes(round=desk.round)) == 0
    desk.vote(assignment, "6")
    assert list(Vote.objects.order_by("revision").values_list("code", flat=True)) == ["1", "2", "3", "4", "5", "", "6"]
    table = services.latest_votes(round=desk.round)
    assert (len(table), table.answer[0]) == (1, 5)


def test_a_ballot_replayed_late_changes_nothing():
    desk = Desk()
    (assignment,) = desk.claim()
    ballot = Ballot(assignment=assignment.pk, client_uuid=uuid.uuid4(), code="1")
    first = services.cast_vote(campaign=desk.campaign, expert=desk.expert, ballot=ballot)
    desk.vote(assignment, "2")
    assert services.cast_vote(campaign=desk.campaign, expert=desk.expert, ballot=ballot) == first
    assert services.latest_votes(round=desk.round).answer[0] == 1


def test_a_ballot_sent_again_after_the_close_still_gets_its_receipt():
    desk = Desk()
    (assignment,) = desk.claim()
    ballot = Ballot(assignment=assignment.pk, client_uuid=uuid.uuid4(), code="1")
    first = services.cast_vote(campaign=desk.campaign, expert=desk.expert, ballot=ballot)
    services.close_campaign(campaign=desk.campaign, by=None)
    assert services.cast_vote(campaign=desk.campaign, expert=desk.expert, ballot=ballot) == first


def test_a_client_id_of_another_vote_is_refused():
    desk = Desk()
    one, two = desk.claim(count=2)
    used = uuid.uuid4()
    desk.vote(one, "1", client_uuid=used)
    with pytest.raises(RefusedError, match="already names another vote"):
        desk.vote(two, "2", client_uuid=used)


@pytest.mark.parametrize(
    "change",
    [{"code": "2"}, {"second_code": "3"}, {"is_sure": False}, {"kind": "skip", "code": "", "skip_reason": "1"}],
)
def test_a_client_id_with_another_answer_is_refused_and_the_first_stands(change):
    desk = Desk()
    (assignment,) = desk.claim()
    said = {"client_uuid": uuid.uuid4(), "code": "1"}
    first = desk.vote(assignment, **said)
    with pytest.raises(RefusedError, match="already names another vote"):
        desk.vote(assignment, **said | change)
    assert desk.vote(assignment, **said, comment="words do not count", shown_at=timezone.now()) == first
    assert list(Vote.objects.values_list("code", "second_code", "is_sure", "kind")) == [("1", "", True, "answer")]


def test_a_skip_gives_its_place_back_and_is_not_offered_again():
    desk = Desk(count=1, quota=1)
    (assignment,) = desk.claim()
    desk.skip(assignment)
    assert slots(desk) == [0]
    assert desk.claim() == []
    assert len(Desk(campaign=desk.campaign).claim()) == 1


def test_a_skip_taken_back_needs_a_free_place():
    desk = Desk(count=1, quota=1)
    (assignment,) = desk.claim()
    desk.skip(assignment)
    Desk(campaign=desk.campaign).claim()
    with pytest.raises(RefusedError, match="filled this sample's places"):
        desk.take_back(assignment)


def test_a_vote_taken_back_is_shown_again_with_a_fresh_lease():
    desk = Desk(count=3)
    (assignment,) = desk.claim()
    desk.vote(assignment, "1")
    desk.take_back(assignment)
    assert assignment.pk in [each.pk for each in desk.claim(count=3)]
    assignment.refresh_from_db()
    assert assignment.lease_until > timezone.now()
    with pytest.raises(RefusedError, match="no vote of yours"):
        desk.take_back(assignment)


def test_an_abandoned_claim_is_free_again_after_its_lease():
    desk = Desk(count=20, quota=1)
    for assignment in desk.claim(count=20):
        expire(assignment)
    other = Desk(campaign=desk.campaign)
    assert len(other.claim(count=20)) == 20
    assert slots(desk) == [1] * 20


def test_an_expired_claim_is_renewed_while_its_place_is_free():
    desk = Desk(count=1, quota=1)
    (assignment,) = desk.claim()
    expire(assignment)
    services.release_expired(round=desk.round)
    assert slots(desk) == [0]
    desk.vote(assignment, "4")
    assert slots(desk) == [1]


def test_an_expired_claim_whose_place_was_taken_is_refused():
    desk = Desk(count=1, quota=1)
    (assignment,) = desk.claim()
    expire(assignment)
    Desk(campaign=desk.campaign).claim()
    with pytest.raises(RefusedError, match="your vote was not needed"):
        desk.vote(assignment, "4")


def test_of_twenty_abandoned_claims_each_is_free_after_its_lease_and_none_is_voted_on_again():
    """Row G3: posts on one's own lost claims, on another's, and on none at all; a hundred in a hundred are refused."""
    desk = Desk(count=20, quota=1)
    lost = desk.claim(count=20)
    left = min(each.lease_until for each in lost) - timezone.now()
    assert datetime.timedelta(minutes=5) <= left <= datetime.timedelta(minutes=10)
    other = Desk(campaign=desk.campaign)
    Assignment.objects.update(lease_until=timezone.now() + datetime.timedelta(seconds=5))
    assert other.claim(count=20) == [], "claims that hold are not given away"
    for assignment in lost:
        expire(assignment)
    held = other.claim(count=20)
    assert len(held) == 20
    unclaimed = [Assignment(pk=2**40 + number) for number in range(20)]
    refused = []
    for assignment in (*lost, *held, *unclaimed):
        with pytest.raises(RefusedError) as refusal:
            desk.vote(assignment, "1")
        refused.append(refusal.value.status)
    assert refused == [409] * 20 + [404] * 40
    assert not Vote.objects.exists()
    assert slots(desk) == [1] * 20


def test_a_released_sample_comes_back_to_its_expert():
    desk = Desk(count=1, quota=1)
    (assignment,) = desk.claim()
    expire(assignment)
    services.release_expired(round=desk.round)
    assert [each.pk for each in desk.claim()] == [assignment.pk]


def test_nobody_votes_with_the_claim_of_another():
    desk = Desk()
    other = Desk(campaign=desk.campaign)
    (assignment,) = desk.claim()
    with pytest.raises(RefusedError, match="no claim") as refusal:
        other.vote(assignment, "1")
    assert refusal.value.status == 404
    assert not Vote.objects.exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"code": "17"}, "1, 2, 3"),
        ({"code": "A", "second_code": "A"}, "differ"),
        ({"code": ""}, "Choose a class"),
        ({"kind": "skip", "skip_reason": "9"}, "reasons are"),
        ({"kind": "skip", "skip_reason": "0"}, "words"),
        ({"kind": "skip"}, "a skip with a reason"),
        ({"kind": "answer", "code": "A", "skip_reason": "1"}, "an answer with a class"),
        ({"kind": "taken_back", "code": "A"}, "neither"),
        ({"kind": "taken_back", "second_code": "<script>"}, "neither"),
        ({"kind": "skip", "skip_reason": "1", "second_code": "A"}, "neither"),
        ({"code": "A", "session": 0}, "sitting"),
    ],
)
def test_a_ballot_that_makes_no_sense_is_refused_in_one_sentence(fields, message):
    desk = Desk()
    (assignment,) = desk.claim()
    with pytest.raises(RefusedError, match=message) as refusal:
        desk.vote(assignment, **fields)
    assert refusal.value.status == 400
    assert not Vote.objects.exists()


def test_words_of_a_skip_are_kept_apart_from_the_vote():
    desk = Desk()
    (assignment,) = desk.claim()
    receipt = desk.skip(assignment, "0", comment="<b>half sea</b>")
    assert Comment.objects.get(vote=receipt.vote).text == "<b>half sea</b>"


@pytest.mark.parametrize("is_open", [True, False])
def test_before_opening_and_after_closing_nothing_is_taken(is_open):
    desk = Desk(is_open=is_open)
    if is_open:
        (assignment,) = desk.claim()
        services.close_campaign(campaign=desk.campaign, by=None)
        with pytest.raises(RefusedError, match="closed"):
            desk.vote(assignment, "1")
    with pytest.raises(RefusedError, match="closed" if is_open else "not open yet"):
        desk.claim()


def test_a_vote_takes_few_statements_and_a_claim_of_five_not_many(monkeypatch):
    desk, counted = Desk(), []
    execute = psycopg.Cursor.execute
    monkeypatch.setattr(psycopg.Cursor, "execute", lambda *args, **rest: counted.append(1) or execute(*args, **rest))
    claimed = desk.claim(count=5)
    assert len(counted) <= 14
    desk.vote(claimed[0], "1")
    counted.clear()
    desk.vote(claimed[1], "1")
    assert len(counted) == 5  # savepoint, gate, read, write, end of savepoint
