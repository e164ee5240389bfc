"""An expert who votes over HTTP finds no difference between ordinary, gold and repeated samples (row G5)."""

import json
import re
import uuid

import pytest

from geoquorum.accounts.services import expert_of
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Campaign, Gold, Round, Vote
from tests import given

POLICY = {"gold_share": 0.25, "repeat_share": 0.25}
SAMPLES, KEY = 45, "G"


@pytest.fixture
def voter(db, client):
    """A campaign with much hidden in it, and an expert of its project who is signed in."""
    project = given.project()
    campaign = given.campaign(project, count=SAMPLES, policy=POLICY, seed=3)
    for sample in given.samples(project, 40):
        Gold.objects.create(campaign=campaign, sample=sample, code=KEY, use="monitor", explanation="canary")
    user = given.member(project)
    client.force_login(user)
    return Voter(client, campaign, user)


class Voter:
    """What the vote page does: claim five, vote, ask for the next with each vote."""

    def __init__(self, client, campaign, user):
        self.client, self.campaign, self.user = client, campaign, user
        self.read, self.order = [], []

    @property
    def expert(self):
        return expert_of(user=self.user, project=self.campaign.project)

    def post(self, place, body):
        address = f"/campaigns/{self.campaign.pk}/{place}/"
        response = self.client.post(address, json.dumps(body), content_type="application/json")
        assert response.status_code == 200, response.content
        self.read.append(response.content.decode())
        return response.json()

    def claim(self, count=5):
        return self.post("claims", {"count": count})

    def vote(self, held, code="6"):
        body = {"assignment": held["id"], "client_uuid": str(uuid.uuid4()), "code": code}
        self.order.append(held["id"])
        return self.post("votes", body)["receipt"]

    def vote_all(self, most=200):
        while len(self.order) < most and (held := self.claim()["assignments"]):
            self.vote(held[0])

    def purposes(self):
        return dict(Assignment.objects.filter(expert=self.expert).values_list("pk", "round__purpose"))


def test_hidden_samples_come_in_the_shares_of_the_policy_and_stay_out_of_the_consensus(voter):
    voter.vote_all()
    words = list(voter.purposes().values())
    assert words.count("vote") == SAMPLES
    # A quarter each of about 80 claims; repeats only after thirty votes.
    assert 8 <= words.count("gold") <= 40
    assert 3 <= words.count("repeat") <= 40
    votes = services.latest_votes(round=services.current_round(campaign=voter.campaign))
    assert len(votes) == SAMPLES


def test_every_claim_and_every_receipt_has_one_shape(voter):
    shapes, receipts = set(), set()
    kinds = {"gold", "repeat", "vote"}
    while len(voter.order) < 50 or (len(voter.order) < 75 and not kinds <= set(voter.purposes().values())):
        held = voter.claim()["assignments"]
        shapes |= {describe(one) for one in held}
        receipts.add(describe(voter.vote(held[0])))
    assert kinds <= set(voter.purposes().values())
    assert len(shapes) == 1
    assert len(receipts) == 1
    history = voter.client.get(f"/campaigns/{voter.campaign.pk}/history/").json()["votes"]
    assert len({describe(one) for one in history}) == 1


def describe(value):
    """Names and types, without values."""
    if isinstance(value, dict):
        return tuple(sorted((name, describe(inner)) for name, inner in value.items()))
    return type(value).__name__


def test_progress_grows_by_one_with_every_vote_and_its_total_stands_still(voter):
    totals, steps, before = set(), [], 0
    for _ in range(50):
        held = voter.claim()
        totals.add(held["own"]["total"])
        voter.vote(held["assignments"][0])
        now = voter.claim()["own"]["answered"]
        steps.append(now - before)
        before = now
    assert set(steps) == {1}
    assert len(totals) == 1
    assert "gold" in set(voter.purposes().values())


def test_what_is_held_comes_again_after_a_reload_in_the_same_order(voter):
    for _ in range(12):
        held = [one["id"] for one in voter.claim()["assignments"]]
        assert [one["id"] for one in voter.claim()["assignments"]] == held
        voter.vote({"id": held[0]})
    assert "gold" in set(voter.purposes().values())


def test_numbers_of_claims_taken_together_do_not_set_hidden_ones_apart(voter):
    """In a batch of fifty, hidden claims have their numbers in between, in the order they are shown."""
    ids = [one["id"] for one in voter.claim(50)["assignments"]]
    assert ids == sorted(ids)
    words = [voter.purposes()[one] for one in ids]
    places = [index for index, word in enumerate(words) if word == "gold"]
    assert places
    assert places not in (list(range(len(places))), list(range(len(ids) - len(places), len(ids))))


def test_no_word_of_gold_reaches_the_expert(voter):
    voter.vote_all(40)
    for place in ("", "vote/", "history/", "experts/me/"):
        voter.read.append(voter.client.get(f"/campaigns/{voter.campaign.pk}/{place}").content.decode())
    for text in voter.read:
        for word in ("canary", "is_gold", "purpose", '"repeat', "monitor"):
            assert word not in text
    for place in ("gold/", "experts/", "experts.csv"):
        assert voter.client.get(f"/campaigns/{voter.campaign.pk}/{place}").status_code == 403


def test_a_vote_on_gold_can_be_corrected_skipped_and_taken_back_like_any_other(voter):
    voter.vote_all(30)
    gold = next(pk for pk, word in voter.purposes().items() if word == "gold")
    before = Vote.objects.filter(assignment=gold).count()  # none where it is still in hand
    address = f"/campaigns/{voter.campaign.pk}/votes/"
    for fields in ({"code": "A"}, {"kind": "skip", "skip_reason": "3"}, {"code": "5"}, {"kind": "taken_back"}):
        body = {"assignment": gold, "client_uuid": str(uuid.uuid4())} | fields
        assert voter.client.post(address, body, content_type="application/json").status_code == 200
    assert Vote.objects.filter(assignment=gold).count() == before + 4


def test_a_repeat_shows_the_sample_again_but_nothing_of_the_answer_before(voter):
    voter.vote_all(60)
    repeats = Assignment.objects.filter(expert=voter.expert, round__purpose=Round.Purpose.REPEAT)
    assert repeats.exists()
    for repeat in repeats.filter(state="answered"):
        later = voter.order.index(repeat.pk)
        first = Assignment.objects.get(round__purpose="vote", sample=repeat.sample, expert=voter.expert)
        assert later - voter.order.index(first.pk) >= 30
    assert Campaign.objects.get(pk=voter.campaign.pk).rounds.filter(purpose="repeat").count() == 1


@pytest.mark.slow
def test_the_discussion_of_a_hidden_sample_opens_like_any_other(voter):
    voter.vote_all(60)
    pages = {}
    for pk, word in voter.purposes().items():
        sample = Assignment.objects.get(pk=pk).sample_id
        page = voter.client.get(f"/campaigns/{voter.campaign.pk}/samples/{sample}/")
        raised = voter.client.post(f"/campaigns/{voter.campaign.pk}/samples/{sample}/raise/", "{}", "application/json")
        if pk in voter.order:
            pages.setdefault(word, set()).add((page.status_code, raised.status_code, len(page.context["own_votes"])))
            assert not re.search(r"\bround \d", page.content.decode())
    assert pages == {word: {(200, 200, 1)} for word in ("vote", "gold", "repeat")}
