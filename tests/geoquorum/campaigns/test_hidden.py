"""Gold and repeats in the stream: their shares, their spacing, and that nothing tells them from other claims."""

import uuid

import pytest
from django.db import transaction

from geoquorum.campaigns.models import Assignment, Campaign, Gold, Round, RoundSample
from geoquorum.campaigns.services import Ballot, cast_vote, latest_votes
from geoquorum.campaigns.services.hidden import QUOTA, REPEAT_AFTER, due, take
from tests import given

BOTH = {"gold_share": 0.05, "repeat_share": 0.1}


@pytest.fixture
def campaign(db):
    return given.campaign(given.project(), count=40)


def take_one(campaign, expert, kind):
    with transaction.atomic():
        return take(campaign_id=campaign.pk, expert_id=expert.pk, kind=kind, session_id=None, lease_s=600)


def add_gold(campaign, sample, code="6", use="monitor"):
    return Gold.objects.create(campaign=campaign, sample=sample, code=code, use=use)


def main_round(campaign):
    return campaign.rounds.get(purpose="vote")


def answer_main(campaign, expert, count, code="6", first=0):
    """Claims and votes in the main round, in the order of its samples' numbers; the assignments in that order."""
    round = main_round(campaign)
    done = []
    for row in round.round_samples.order_by("pk")[first : first + count]:
        made = Assignment.objects.create(
            campaign=campaign, round=round, sample=row.sample, expert=expert, quota=round.quota, slot=0
        )
        RoundSample.objects.filter(pk=row.pk).update(slots_taken=1)
        cast(campaign, expert, made.pk, code)
        done.append(made)
    return done


def cast(campaign, expert, assignment, code="6", **fields):
    ballot = Ballot(**{"assignment": assignment, "client_uuid": uuid.uuid4(), "code": code} | fields)
    return cast_vote(campaign=campaign, expert=expert, ballot=ballot)


def test_without_shares_nothing_is_hidden():
    assert due(1, 2, 0, 5, {}) == due(1, 2, 0, 5, {"gold_share": 0, "repeat_share": None}) == ["vote"] * 5


def test_the_shares_are_those_of_the_policy():
    words = due(7, 3, 0, 20_000, BOTH)
    # Six standard deviations: the secret key differs from run to run.
    assert abs(words.count("gold") / 20_000 - 0.05) < 0.010
    assert abs(words.count("repeat") / 20_000 - 0.10) < 0.013


def test_what_is_due_does_not_depend_on_how_many_are_asked_at_once():
    whole = due(7, 3, 0, 200, BOTH)
    assert whole == [word for first in range(0, 200, 5) for word in due(7, 3, first, 5, BOTH)]


def test_each_expert_and_each_campaign_has_an_order_of_its_own():
    policy = {"gold_share": 0.3}
    orders = [due(7, 3, 0, 300, policy), due(7, 4, 0, 300, policy), due(8, 3, 0, 300, policy)]
    assert len({tuple(order) for order in orders}) == 3


def test_the_order_cannot_be_found_without_the_secret_key(settings):
    before = due(7, 3, 0, 300, BOTH)
    settings.SECRET_KEY = "another one"
    assert due(7, 3, 0, 300, BOTH) != before


def test_gold_is_claimed_in_a_round_of_its_own(campaign):
    expert = given.expert(campaign.project)
    gold = add_gold(campaign, given.sample(campaign.project))
    claimed = Assignment.objects.get(pk=take_one(campaign, expert, "gold"))
    assert (claimed.sample, claimed.round.purpose, claimed.round.quota) == (gold.sample, "gold", QUOTA)
    assert (claimed.state, claimed.slot, claimed.quota) == ("claimed", 0, QUOTA)
    assert claimed.lease_until is not None
    assert RoundSample.objects.get(round=claimed.round).slots_taken == 1


def test_the_same_gold_is_never_shown_twice_to_one_expert(campaign):
    expert = given.expert(campaign.project)
    for sample in given.samples(campaign.project, 3):
        add_gold(campaign, sample)
    taken = [take_one(campaign, expert, "gold") for _ in range(4)]
    assert len(set(taken[:3])) == 3
    assert taken[3] is None


def test_gold_that_the_expert_met_in_the_main_round_is_left_out(campaign):
    expert = given.expert(campaign.project)
    for done in answer_main(campaign, expert, 2):
        add_gold(campaign, done.sample)
    assert take_one(campaign, expert, "gold") is None


def test_gold_outside_the_campaigns_samples_comes_first(campaign):
    expert = given.expert(campaign.project)
    for row in main_round(campaign).round_samples.all()[:10]:
        add_gold(campaign, row.sample)
    outside = add_gold(campaign, given.sample(campaign.project))
    assert Assignment.objects.get(pk=take_one(campaign, expert, "gold")).sample == outside.sample


def test_gold_for_qualification_is_not_hidden_in_the_stream(campaign):
    add_gold(campaign, given.sample(campaign.project), use="qualify")
    assert take_one(campaign, given.expert(campaign.project), "gold") is None
    assert campaign.rounds.count() == 1


def test_gold_of_another_campaign_is_not_taken(campaign):
    add_gold(given.campaign(campaign.project), given.sample(campaign.project))
    assert take_one(campaign, given.expert(campaign.project), "gold") is None


def test_many_experts_share_one_gold_sample_each_at_a_place_of_their_own(campaign):
    add_gold(campaign, given.sample(campaign.project))
    experts = [given.expert(campaign.project) for _ in range(5)]
    taken = [take_one(campaign, expert, "gold") for expert in experts]
    assert sorted(Assignment.objects.filter(pk__in=taken).values_list("slot", flat=True)) == [0, 1, 2, 3, 4]
    # A place that was given back in the middle is the next one taken.
    Assignment.objects.filter(pk=taken[2]).update(slot=None, state="released")
    new = Assignment.objects.get(pk=take_one(campaign, given.expert(campaign.project), "gold"))
    assert new.slot == 2
    assert take_one(campaign, experts[2], "gold") == taken[2]
    assert Assignment.objects.get(pk=taken[2]).slot == 5


def test_a_repeat_waits_for_thirty_other_own_votes(campaign):
    expert = given.expert(campaign.project)
    done = answer_main(campaign, expert, REPEAT_AFTER)
    assert take_one(campaign, expert, "repeat") is None
    answer_main(campaign, expert, 1, first=REPEAT_AFTER)
    repeat = Assignment.objects.get(pk=take_one(campaign, expert, "repeat"))
    assert (repeat.sample, repeat.round.purpose) == (done[0].sample, "repeat")
    assert take_one(campaign, expert, "repeat") is None


def test_what_was_corrected_lately_is_not_repeated_yet(campaign):
    expert = given.expert(campaign.project)
    done = answer_main(campaign, expert, REPEAT_AFTER + 1)
    cast(campaign, expert, done[0].pk, "5")
    repeat = Assignment.objects.get(pk=take_one(campaign, expert, "repeat"))
    assert repeat.sample == done[1].sample


def test_a_skipped_sample_is_not_repeated(campaign):
    expert = given.expert(campaign.project)
    done = answer_main(campaign, expert, 1)
    cast(campaign, expert, done[0].pk, "", kind="skip", skip_reason="3")
    answer_main(campaign, expert, REPEAT_AFTER, first=1)
    assert take_one(campaign, expert, "repeat") is None


def test_others_votes_are_not_repeated(campaign):
    answer_main(campaign, given.expert(campaign.project), REPEAT_AFTER + 5)
    assert take_one(campaign, given.expert(campaign.project), "repeat") is None


def test_a_repeat_keeps_the_samples_prompt(campaign):
    expert = given.expert(campaign.project)
    main_round(campaign).round_samples.update(prompt="3")
    answer_main(campaign, expert, REPEAT_AFTER + 1)
    claimed = Assignment.objects.get(pk=take_one(campaign, expert, "repeat"))
    assert RoundSample.objects.get(round=claimed.round).prompt == "3"


def test_votes_on_gold_and_repeats_stay_out_of_the_consensus(campaign):
    expert = given.expert(campaign.project)
    add_gold(campaign, given.sample(campaign.project))
    answer_main(campaign, expert, REPEAT_AFTER + 1)
    for kind in ("gold", "repeat"):
        cast(campaign, expert, take_one(campaign, expert, kind), "A")
    votes = latest_votes(round=main_round(campaign))
    assert len(votes) == REPEAT_AFTER + 1
    assert set(votes.answer.tolist()) == {5}


def test_side_rounds_are_made_once(campaign):
    for sample in given.samples(campaign.project, 4):
        add_gold(campaign, sample)
    for _ in range(3):
        take_one(campaign, given.expert(campaign.project), "gold")
    assert Round.objects.filter(campaign=campaign, purpose="gold").count() == 1


def test_a_campaign_without_gold_makes_no_round_for_it(campaign):
    assert take_one(campaign, given.expert(campaign.project), "gold") is None
    assert Campaign.objects.get(pk=campaign.pk).rounds.count() == 1
