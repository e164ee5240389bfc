"""Disputed samples, their threads, and second rounds."""

import json
import re
import uuid

import pytest
from django.urls import reverse

from geoquorum.accounts.models import Event
from geoquorum.accounts.services import expert_of
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Campaign, Comment, Consensus, ConsensusRun, Round, Thread, Vote
from geoquorum.campaigns.services import Ballot, RefusedError, disputes
from geoquorum.campaigns.services.disputes import Queue
from geoquorum.campaigns.services.second_round import start_second_round
from tests import given

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert('x')</script>"


class Town:
    """An open campaign of four samples, two experts and a curator."""

    def __init__(self):
        self.project = given.project()
        self.campaign = given.campaign(self.project, count=4, quota=3)
        self.samples = [row.sample for row in self.campaign.rounds.get().round_samples.order_by("sample")]
        self.people = {name: given.member(self.project, role) for name, role in ROLES.items()}
        self.experts = {name: expert_of(user=user, project=self.project) for name, user in self.people.items()}

    def vote(self, name, codes):
        """Answers to samples by their place; None skips."""
        round, expert = services.current_round(campaign=self.campaign), self.experts[name]
        claimed = {row.sample_id: row for row in services.claim(round=round, expert=expert, session=None, count=4)}
        for place, code in codes.items():
            said = {"code": code} if code else {"kind": "skip", "skip_reason": "3"}
            ballot = Ballot(assignment=claimed[self.samples[place].pk].pk, client_uuid=uuid.uuid4(), **said)
            services.cast_vote(campaign=self.campaign, expert=expert, ballot=ballot)

    def close(self):
        services.close_campaign(campaign=self.campaign, by=None)
        for run in ConsensusRun.objects.filter(campaign=self.campaign, state="queued").select_related("job"):
            given.work(run.job, services.refit)
        return ConsensusRun.objects.filter(campaign=self.campaign, method="majority").latest("pk")

    def address(self, name="sample", place=0, *more):
        return reverse(f"campaigns:{name}", args=[self.campaign.pk, self.samples[place].pk, *more])

    def raise_sample(self, name="ann", place=0, text=""):
        said = {"expert": self.experts[name], "by": self.people[name], "text": text}
        return disputes.raise_sample(campaign=self.campaign, sample=self.samples[place], **said)


ROLES = {"ann": "expert", "bob": "expert", "cem": "expert", "cur": "curator"}


@pytest.fixture
def town():
    return Town()


def test_a_thread_does_not_exist_before_the_own_vote(client, town):
    town.vote("ann", {0: "3"})
    town.raise_sample("ann", text="Is this a market?")
    client.force_login(town.people["bob"])
    assert client.get(town.address()).status_code == 404
    for name in ("raise", "comment"):
        assert client.post(town.address(name), {"text": "words"}).status_code == 404
    assert Comment.objects.count() == 1
    town.vote("bob", {0: "2"})
    assert "Is this a market?" in client.get(town.address()).content.decode()


def test_a_claim_alone_and_a_vote_taken_back_open_nothing(client, town):
    town.vote("ann", {0: "3"})
    town.vote("bob", {})
    client.force_login(town.people["bob"])
    assert client.get(town.address()).status_code == 404
    town.vote("bob", {0: "2"})
    own = Assignment.objects.get(expert=town.experts["bob"], sample=town.samples[0])
    ballot = Ballot(assignment=own.pk, client_uuid=uuid.uuid4(), kind="taken_back")
    services.cast_vote(campaign=town.campaign, expert=town.experts["bob"], ballot=ballot)
    assert client.get(town.address()).status_code == 404


def test_a_skip_is_an_own_vote(client, town):
    town.vote("ann", {0: None})
    client.force_login(town.people["ann"])
    assert client.get(town.address()).status_code == 200


def test_before_the_close_a_thread_shows_words_and_no_vote_of_others(client, town):
    town.vote("ann", {0: "3"})
    town.raise_sample("ann", text="Look at the roofs.")
    town.vote("bob", {0: "10"})
    client.force_login(town.people["bob"])
    client.get(town.address())  # from here on the page knows its token
    page = client.get(town.address())
    html = page.content.decode()
    assert "Look at the roofs." in html
    assert [vote.code for vote in page.context["own_votes"]] == ["10"]
    for hidden in ("row", "run", "rounds", "votes", "notes", "decisions"):
        assert hidden not in page.context
    before = html.replace(town.experts["ann"].pseudonym, "")
    own = Assignment.objects.get(expert=town.experts["ann"], sample=town.samples[0])
    ballot = Ballot(assignment=own.pk, client_uuid=uuid.uuid4(), code="G")
    services.cast_vote(campaign=town.campaign, expert=town.experts["ann"], ballot=ballot)
    after = client.get(town.address()).content.decode().replace(town.experts["ann"].pseudonym, "")
    assert forget_tokens(after) == forget_tokens(before)


def forget_tokens(html):
    return re.sub(r"[A-Za-z0-9]{64}", "", html)


def test_the_vote_page_raises_as_a_program(client, town):
    town.vote("ann", {0: "3"})
    client.force_login(town.people["ann"])
    answer = client.post(town.address("raise"), json.dumps({}), content_type="application/json")
    assert answer.status_code == 200
    assert answer.json() == {"thread": Thread.objects.get().pk, "url": town.address()}
    client.post(town.address("raise"), json.dumps({}), content_type="application/json")
    assert Thread.objects.get().raised_by == town.experts["ann"]
    refused = client.post(town.address("raise", 1), json.dumps({}), content_type="application/json")
    assert (refused.status_code, list(refused.json())) == (404, ["error"])


def test_script_in_a_comment_is_shown_as_text(client, town):
    town.vote("ann", {0: "3"})
    client.force_login(town.people["ann"])
    client.post(town.address("comment"), {"text": SCRIPT})
    assert Comment.objects.get().text == SCRIPT
    html = client.get(town.address()).content.decode()
    assert SCRIPT not in html
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in html


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4001])
def test_empty_and_overlong_comments_are_refused(client, town, text):
    town.vote("ann", {0: "3"})
    client.force_login(town.people["ann"])
    assert client.post(town.address("comment"), {"text": text}).status_code == 302
    assert not Comment.objects.exists()
    assert not Thread.objects.exists()


def test_a_comment_that_the_database_cannot_hold_is_refused(client, town):
    town.vote("ann", {0: "3"})
    client.force_login(town.people["ann"])
    assert client.post(town.address("comment"), {"text": SCRIPT + "\0"}).status_code == 400
    assert not Comment.objects.exists()


def test_erasing_empties_the_words_and_keeps_the_row(client, town):
    town.vote("ann", {0: "3"})
    town.raise_sample("ann", text="My name is Ann.")
    comment = Comment.objects.get()
    client.force_login(town.people["ann"])
    client.post(town.address("erase_comment", 0, comment.pk))
    comment.refresh_from_db()
    assert (comment.text, comment.erased_at is None) == ("", False)
    html = client.get(town.address()).content.decode()
    assert "My name" not in html
    assert "Erased" in html


def test_others_words_are_erased_by_curators_with_a_reason_only(client, town):
    for name in ("ann", "bob"):
        town.vote(name, {0: "3"})
    town.raise_sample("ann", text="Call me at 555.")
    comment = Comment.objects.get()
    client.force_login(town.people["bob"])
    assert client.post(town.address("erase_comment", 0, comment.pk), {"reason": "no"}).status_code == 404
    client.force_login(town.people["cur"])
    client.post(town.address("erase_comment", 0, comment.pk))
    comment.refresh_from_db()
    assert comment.text == "Call me at 555."
    client.post(town.address("erase_comment", 0, comment.pk), {"reason": "a telephone number"})
    comment.refresh_from_db()
    assert comment.text == ""
    event = Event.objects.get(action="comment erased")
    assert event.detail["reason"] == "a telephone number"
    assert "555" not in json.dumps(event.detail)


def test_the_queue_holds_what_is_uncertain_divided_or_raised(town):
    town.vote("ann", {0: "3", 1: "3", 2: "3", 3: "A"})
    town.vote("bob", {0: "3", 1: "2", 2: "3", 3: "A"})
    town.vote("cem", {0: "3", 1: "8", 2: "3", 3: "B"})
    town.raise_sample("ann", place=2)
    run = town.close()
    found = {row.sample: row for row in disputes.list_disputed(run, Queue(below=0.6))}
    assert set(found) == {town.samples[1], town.samples[2]}
    assert found[town.samples[1]].top == pytest.approx(1 / 3, abs=1e-5)
    assert found[town.samples[1]].vote_entropy == pytest.approx(1.0986, abs=1e-4)
    assert found[town.samples[2]].vote_entropy == pytest.approx(0, abs=1e-9)
    assert found[town.samples[2]].is_raised
    below = disputes.list_disputed(run, Queue(below=0.7))
    assert [row.sample for row in below] == [town.samples[place] for place in (1, 3, 2)], "least certain first"
    divided = disputes.list_disputed(run, Queue(below=0.1, entropy_from=0.6))
    assert [row.sample for row in divided] == [town.samples[place] for place in (1, 3, 2)]


def test_the_queue_is_walked_and_the_votes_are_shown_after_the_close(client, town):
    town.vote("ann", {0: "3", 1: "3"})
    town.vote("bob", {0: "2", 1: "8"})
    town.close()
    client.force_login(town.people["cem"])
    queue = client.get(reverse("campaigns:disputes", args=[town.campaign.pk]), {"below": "0.6"})
    assert "2 of 2 samples are in question" in queue.content.decode()
    first = client.get(town.address(), {"below": "0.6"})
    assert first.context["place"] == 1
    second = client.get(first.context["links"]["after"])
    assert second.context["sample"] == town.samples[1]
    html = first.content.decode()
    assert "50 % of 2 votes" in html
    assert not [one for one in town.experts.values() if one.pseudonym in html], "who said what is the curator's"
    client.force_login(town.people["cur"])
    assert town.experts["ann"].pseudonym in client.get(town.address()).content.decode()


def snapshot(campaign):
    """Everything that a first round left: its rows, votes, assignments and consensus."""
    first = campaign.rounds.get(number=1)
    tables = (
        Round.objects.filter(pk=first.pk),
        first.round_samples.all(),
        Assignment.objects.filter(round=first),
        Vote.objects.filter(round=first),
        ConsensusRun.objects.filter(round=first),
        Consensus.objects.filter(run__round=first),
    )
    found = [list(table.order_by("pk").values()) for table in tables]
    for run in found[4]:
        run["summary"].pop("agreement", None)  # figures of the same votes, filled in when they are first looked at
    return found


def test_a_second_round_leaves_the_first_bit_for_bit(client, town):
    for name, code in (("ann", "3"), ("bob", "2")):
        town.vote(name, {0: code, 1: "A"})
    run = town.close()
    before = snapshot(town.campaign)
    client.force_login(town.people["cur"])
    address = reverse("campaigns:second_round", args=[town.campaign.pk])
    client.post(address, {"quota": "2", "below": "0.6"})
    town.campaign = Campaign.objects.get(pk=town.campaign.pk)
    second = services.current_round(campaign=town.campaign)
    assert (town.campaign.state, second.purpose, second.number, second.quota) == ("open", "dispute", 2, 2)
    assert [row.sample for row in second.round_samples.all()] == [town.samples[0]]
    assert client.get(reverse("campaigns:consensus", args=[town.campaign.pk])).status_code == 404
    for name in ("ann", "cem"):
        town.vote(name, {0: "3"})
    assert snapshot(town.campaign) == before
    newest = town.close()
    assert snapshot(town.campaign) == before
    assert (newest.round, newest.samples_count, newest.votes_count) == (second, 1, 2)
    html = client.get(reverse("campaigns:consensus", args=[town.campaign.pk])).content.decode()
    assert f"?run={run.pk}" in html
    assert f"?run={newest.pk}" in html
    page = client.get(town.address())
    assert [one["round"].number for one in page.context["rounds"]] == [1, 2]


def test_votes_of_the_first_round_stay_final_while_the_second_is_open(town):
    town.vote("ann", {0: "3"})
    town.vote("bob", {0: "2"})
    town.close()
    start_second_round(campaign=town.campaign, samples=town.samples[:1], quota=2, by=town.people["cur"])
    own = Assignment.objects.get(round__number=1, expert=town.experts["ann"], sample=town.samples[0])
    ballot = Ballot(assignment=own.pk, client_uuid=uuid.uuid4(), code="G")
    with pytest.raises(RefusedError):
        services.cast_vote(campaign=town.campaign, expert=town.experts["ann"], ballot=ballot)


def test_in_the_second_round_words_are_read_before_the_vote_and_votes_are_not(client, town):
    town.vote("ann", {0: "3"})
    town.vote("bob", {0: "2"})
    town.raise_sample("ann", text="Look at the courtyards.")
    town.close()
    start_second_round(campaign=town.campaign, samples=town.samples[:1], quota=3, by=town.people["cur"])
    client.force_login(town.people["cem"])
    assert client.get(town.address()).status_code == 404
    town.vote("cem", {})  # hands out the sample
    page = client.get(town.address())
    assert "Look at the courtyards." in page.content.decode()
    assert "row" not in page.context
    assert not page.context["own_votes"]


def test_second_rounds_that_make_no_sense_are_refused(town):
    cur = town.people["cur"]
    with pytest.raises(RefusedError, match="Only a closed campaign"):
        start_second_round(campaign=town.campaign, samples=town.samples, quota=2, by=cur)
    town.vote("ann", {0: "3"})
    town.close()
    foreign = given.samples(town.project, 1)
    for samples, quota, words in (([], 2, "No sample"), (town.samples, 0, "1 to 100"), (foreign, 2, "each once")):
        with pytest.raises(RefusedError, match=words):
            start_second_round(campaign=town.campaign, samples=samples, quota=quota, by=cur)
    assert town.campaign.rounds.count() == 1


def test_a_second_round_without_votes_can_be_closed(town):
    town.vote("ann", {0: "3"})
    run = town.close()
    start_second_round(campaign=town.campaign, samples=town.samples[:1], quota=2, by=town.people["cur"])
    assert town.close() == run
    assert Campaign.objects.get(pk=town.campaign.pk).state == "closed"


def test_the_interval_is_named_after_what_the_method_knows(client, town):
    town.vote("ann", {0: "3", 1: "3"})
    town.vote("bob", {0: "2", 1: "3"})
    run = town.close()
    client.force_login(town.people["cem"])
    address = town.address() + f"?run={run.pk}"
    assert "Wilson interval" in client.get(address).content.decode()
    run.summary["is_credible"] = True
    run.save()
    assert "credible interval of the label" in client.get(address).content.decode().replace("&#x27;", "'")
