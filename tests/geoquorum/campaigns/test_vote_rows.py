"""What the database itself holds of a vote and its assignment, whoever writes."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, RoundSample, Vote
from geoquorum.campaigns.services import imports
from geoquorum.campaigns.services.ballots import Ballot
from tests import given

pytestmark = pytest.mark.django_db
REPEATED = ("campaign_id", "round_id", "sample_id", "expert_id")


@pytest.fixture
def assignments():
    """Two claims of one expert on two samples."""
    campaign = given.campaign(given.project(), count=2)
    expert = given.expert(campaign.project)
    round = services.current_round(campaign=campaign)
    return services.claim(round=round, expert=expert, session=None, count=2)


def write(assignment, **changed):
    fields = {name: getattr(assignment, name) for name in REPEATED} | {"assignment_id": assignment.pk, "code": "A"}
    with transaction.atomic():
        return Vote.objects.create(**fields | changed)


def do_and_check(change):
    """A transaction as it would be at its end."""
    with transaction.atomic():
        change()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("name", REPEATED)
def test_a_vote_repeats_its_assignment_or_is_refused(assignments, name):
    first = assignments[0]
    with pytest.raises(IntegrityError, match="vote_repeats_its_assignment"):
        write(first, **{name: getattr(first, name) + 1})
    assert not Vote.objects.exists()


def test_a_vote_without_an_assignment_is_refused(assignments):
    with pytest.raises(IntegrityError, match="vote_repeats_its_assignment"):
        write(assignments[0], assignment_id=assignments[-1].pk + 1000)


def test_one_wrong_vote_among_many_refuses_them_all(assignments):
    first, second = assignments
    rows = [
        Vote(assignment_id=each.pk, code="A", **{name: getattr(first, name) for name in REPEATED})
        for each in (first, second)
    ]
    with pytest.raises(IntegrityError, match="vote_repeats_its_assignment"), transaction.atomic():
        Vote.objects.bulk_create(rows)
    assert not Vote.objects.exists()


def test_an_assignment_with_votes_can_be_neither_deleted_nor_moved(assignments):
    first, second = assignments
    write(first)
    kept = Assignment.objects.filter(pk=first.pk)
    for change in (lambda: kept._raw_delete(kept.db), lambda: kept.update(sample_id=second.sample_id)):
        with pytest.raises(IntegrityError, match="assignment_stays"), transaction.atomic():
            change()
    assert kept.values_list("sample_id", flat=True).get() == first.sample_id
    assert Assignment.objects.filter(pk=second.pk)._raw_delete(kept.db) == 1


def test_a_correction_and_a_taking_back_obey_the_same_rule(assignments):
    first = assignments[0]
    campaign, expert = first.campaign, first.expert
    for number, (kind, code) in enumerate([("answer", "A"), ("answer", "3"), ("taken_back", "")]):
        ballot = Ballot(assignment=first.pk, client_uuid=uuid.uuid4(), kind=kind, code=code)
        assert services.cast_vote(campaign=campaign, expert=expert, ballot=ballot).revision == number


def test_ids_of_imported_votes_rise_and_carry_the_time():
    before = datetime.now(UTC)
    ids = [uuid.UUID(text) for text in imports._make_uuids(10_000).to_pylist()]
    assert len(set(ids)) == 10_000
    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}
    assert {each.variant for each in ids} == {uuid.RFC_4122}
    assert 0 <= (ids[0].int >> 80) - int(before.timestamp() * 1000) < 5_000


def test_an_assignment_names_a_sample_of_its_round_under_its_quota(assignments):
    first = assignments[0]
    stranger = given.samples(first.campaign.project, 1)[0]
    fields = {name: getattr(first, name) for name in ("campaign_id", "round_id", "sample_id", "quota")}
    other = given.expert(first.campaign.project)
    for change in ({"sample_id": stranger.pk}, {"quota": first.quota + 1}):
        with pytest.raises(IntegrityError, match="place_is_the_rounds"), transaction.atomic():
            Assignment.objects.create(**fields | {"expert_id": other.pk, "slot": 2} | change)


def test_a_claimed_sample_stays_in_its_round(assignments):
    first = assignments[0]
    place = RoundSample.objects.filter(round=first.round_id, sample=first.sample_id)
    elsewhere = given.samples(first.campaign.project, 1)[0].pk
    for change in (lambda: place._raw_delete(place.db), lambda: place.update(sample_id=elsewhere)):
        with pytest.raises(IntegrityError, match="place_with_claims_stays"):
            do_and_check(change)
    assert place.exists()


def test_an_unclaimed_sample_may_leave_its_round_and_a_round_may_go_whole(assignments):
    round = assignments[0].round
    Assignment.objects.filter(round=round).delete()
    do_and_check(RoundSample.objects.filter(round=round).delete)
    assert not RoundSample.objects.filter(round=round).exists()
