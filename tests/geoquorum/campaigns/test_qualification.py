"""Before votes count: tries, scores and hints."""

import uuid

import pytest

from geoquorum.accounts.models import Event
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Attempt, Gold, Round, Standing
from geoquorum.campaigns.services import Ballot, RefusedError
from geoquorum.campaigns.services.qualification import (
    cast_in_attempt,
    claim_attempt,
    finish_attempt,
    reset_tries,
    show_standing,
    start_attempt,
    waive,
)
from tests import given
from tests.geoquorum.campaigns.qualifying import KEY, RULES, answer, cast, open_campaign


@pytest.fixture
def campaign(db):
    return open_campaign()


def claim_main(campaign, expert):
    return services.claim(round=services.current_round(campaign=campaign), expert=expert, session=None)


def test_the_unqualified_get_no_samples(campaign):
    expert = given.expert(campaign.project)
    with pytest.raises(RefusedError, match="Qualify first"):
        claim_main(campaign, expert)
    attempt = start_attempt(campaign=campaign, expert=expert)
    with pytest.raises(RefusedError, match="Qualify first"):
        claim_main(campaign, expert)
    answer(attempt)
    assert claim_main(campaign, expert)


def test_a_try_has_the_samples_asked_for_class_by_class(campaign):
    attempt = start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    samples = attempt.round.round_samples.values_list("sample_id", flat=True)
    codes = Gold.objects.filter(sample__in=list(samples)).values_list("code", flat=True)
    assert sorted(codes) == sorted(KEY)
    assert attempt.round.purpose == Round.Purpose.QUALIFY


def test_all_right_qualifies_with_an_interval(campaign):
    attempt = start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    assert answer(attempt) == 6
    assert attempt.is_passed
    assert attempt.score == 1.0
    assert attempt.low == pytest.approx(0.6097, abs=1e-3)  # Wilson, 6 of 6
    assert attempt.high == 1.0
    standing = Standing.objects.get(campaign=campaign)
    assert (standing.state, standing.decided_at is not None) == ("qualified", True)


def test_similar_classes_earn_part_of_a_point(campaign):
    attempt = start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    for one in claim_attempt(attempt=attempt, session=None, count=50):
        cast(attempt, one.pk, code="6")
    finish_attempt(attempt=attempt)
    attempt.refresh_from_db()
    # To 6: 0.50 for LCZ 1, 0.58 for 2, 0.92 for 5, 1 for 6, 0.67 for A, 0.50 for G (Bechtel et al. 2020).
    assert attempt.score == pytest.approx((0.50 + 0.58 + 0.92 + 1 + 0.67 + 0.50) / 6, abs=0.01)


def test_a_skip_earns_nothing(campaign):
    attempt = start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    answer(attempt, skip=2)
    assert attempt.score == pytest.approx(4 / 6)
    assert not attempt.is_passed


def test_three_tries_on_different_samples_and_no_fourth(campaign):
    expert = given.expert(campaign.project)
    seen = []
    for number in (1, 2, 3):
        attempt = start_attempt(campaign=campaign, expert=expert)
        assert attempt.number == number
        seen.append(set(attempt.round.round_samples.values_list("sample_id", flat=True)))
        answer(attempt, wrong=6)
        assert attempt.is_passed is False
    assert not seen[0] & seen[1]
    assert not seen[1] & seen[2]
    assert Standing.objects.get(campaign=campaign).state == "failed"
    with pytest.raises(RefusedError, match="All 3 tries are used"):
        start_attempt(campaign=campaign, expert=expert)
    with pytest.raises(RefusedError, match="Qualify first"):
        claim_main(campaign, expert)


def test_rounds_are_shared_between_experts(campaign):
    first, second = (
        start_attempt(campaign=campaign, expert=given.expert(campaign.project)) for _ in range(2)
    )  # fmt: skip
    assert first.round == second.round
    places = Assignment.objects.filter(round=first.round).values_list("sample", "slot")
    assert len(set(places)) == 12
    assert set(first.round.round_samples.values_list("slots_taken", flat=True)) == {2}


def test_two_windows_are_one_try(campaign):
    expert = given.expert(campaign.project)
    assert start_attempt(campaign=campaign, expert=expert) == start_attempt(campaign=campaign, expert=expert)
    assert Assignment.objects.filter(expert=expert).count() == 6


def test_a_try_is_scored_once(campaign):
    attempt = start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    answer(attempt, wrong=6)
    first = (attempt.score, attempt.ended_at)
    one = Assignment.objects.filter(round=attempt.round).first()
    with pytest.raises(RefusedError, match="over"):
        cast(attempt, one.pk, code="6")
    finish_attempt(attempt=attempt)
    attempt.refresh_from_db()
    assert (attempt.score, attempt.ended_at) == first


def test_a_try_is_not_scored_before_all_is_answered(campaign):
    attempt = start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    with pytest.raises(RefusedError, match="6 samples"):
        finish_attempt(attempt=attempt)


def test_the_same_ballot_again_is_the_same_receipt_even_after_the_end(campaign):
    attempt = start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    one = claim_attempt(attempt=attempt, session=None)[0]
    ballot = Ballot(assignment=one.pk, client_uuid=uuid.uuid4(), code="6")
    first = cast_in_attempt(attempt=attempt, ballot=ballot)
    answer(attempt)
    assert cast_in_attempt(attempt=attempt, ballot=ballot) == first


def test_samples_of_somebody_elses_try_cannot_be_answered(campaign):
    mine, other = (start_attempt(campaign=campaign, expert=given.expert(campaign.project)) for _ in range(2))
    theirs = claim_attempt(attempt=other, session=None)[0]
    with pytest.raises(RefusedError, match="not part of your try"):
        cast(mine, theirs.pk, code="6")


def test_hints_name_classes_that_were_mixed_up_more_than_once(campaign):
    expert = given.expert(campaign.project)
    campaign.policy["qualification"] |= {"threshold": 1.0}
    campaign.save()
    key = dict(Gold.objects.filter(campaign=campaign).values_list("sample_id", "code"))
    for _ in range(2):
        attempt = start_attempt(campaign=campaign, expert=expert)
        for one in claim_attempt(attempt=attempt, session=None, count=50):
            right = key[one.sample_id]
            cast(attempt, one.pk, code={"5": "6", "A": "G", "1": "3", "2": "10"}.get(right, right))
        claim_attempt(attempt=attempt, session=None)
        attempt.refresh_from_db()
    # Seen once per try, so nothing after the first; then only pairs that other answers cover: 6 and G were right too.
    assert Attempt.objects.get(number=1).hints == []
    assert sorted(map(tuple, attempt.hints)) == [("5", "6"), ("A", "G")]


def test_a_curator_lets_somebody_in_and_the_reason_is_recorded(campaign):
    expert, curator = given.expert(campaign.project), given.member(campaign.project, "curator")
    with pytest.raises(RefusedError, match="Say why"):
        waive(campaign=campaign, expert=expert, reason=" ", by=curator)
    waive(campaign=campaign, expert=expert, reason="wrote the class definitions", by=curator)
    assert claim_main(campaign, expert)
    event = Event.objects.get(action="qualification waived")
    assert event.detail == {"expert": expert.pseudonym, "reason": "wrote the class definitions"}


def test_tries_given_again_are_on_samples_not_seen(campaign):
    expert, curator = given.expert(campaign.project), given.member(campaign.project, "curator")
    first = start_attempt(campaign=campaign, expert=expert)
    answer(first, wrong=6)
    reset_tries(campaign=campaign, expert=expert, reason="power cut", by=curator)
    assert show_standing(campaign=campaign, expert=expert).tries_left == 3
    second = start_attempt(campaign=campaign, expert=expert)
    assert (second.number, second.round == first.round) == (1, False)
    answer(second)
    assert second.is_passed
    assert Event.objects.get(action="tries reset").detail["scores"] == [first.score]


def test_a_waived_expert_stays_in_whatever_a_running_try_says(campaign):
    expert, curator = given.expert(campaign.project), given.member(campaign.project, "curator")
    attempt = start_attempt(campaign=campaign, expert=expert)
    waive(campaign=campaign, expert=expert, reason="known", by=curator)
    answer(attempt, wrong=6)
    assert Standing.objects.get(campaign=campaign).state == "waived"


@pytest.mark.parametrize("policy", [{}, {"kind": "fixed", "order": "random"}])
def test_without_rules_there_is_nothing_to_qualify_for(db, policy):
    campaign = given.campaign(given.project(), policy=policy)
    with pytest.raises(RefusedError, match="no qualification"):
        start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    assert show_standing(campaign=campaign, expert=None) is None


def test_without_known_samples_nobody_can_start(db):
    campaign = given.campaign(given.project(), policy=RULES)
    with pytest.raises(RefusedError, match="No samples for qualification"):
        start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    assert not Attempt.objects.exists()


def test_a_closed_campaign_with_tries_alone_closes_without_a_consensus(campaign):
    answer(start_attempt(campaign=campaign, expert=given.expert(campaign.project)))
    services.close_campaign(campaign=campaign, by=None)
    assert not campaign.consensus_runs.exists()
    with pytest.raises(RefusedError, match="not open"):
        start_attempt(campaign=campaign, expert=given.expert(campaign.project))


def test_tries_stay_out_of_own_progress_and_of_the_consensus(campaign):
    expert = given.expert(campaign.project)
    answer(start_attempt(campaign=campaign, expert=expert))
    round = services.current_round(campaign=campaign)
    assert services.count_own(round=round, expert=expert).done == 0
    assert services.count_progress(round=round).answered == 0
