"""Before the close nothing that others did reaches an expert: not their votes, nor how many there are."""

import re
import uuid

import numpy as np
import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from geoquorum.accounts.models import Expert
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Campaign, RoundSample
from geoquorum.campaigns.services import Ballot
from geoquorum.catalog.models import Reference, Sample
from tests import given

pytestmark = pytest.mark.django_db
CANARY = "CANARY"


def cast(campaign, expert, assignment, code, **fields):
    ballot = Ballot(**{"assignment": assignment.pk, "client_uuid": uuid.uuid4(), "code": code} | fields)
    services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)


def list_paths(patterns, before=""):
    """Every route as text with its parameters, such as `campaigns/<int:campaign_id>/`."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from list_paths(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def fill_in(route, numbers):
    """A path for a route, its numbers from `numbers` (1 where there is none), its words guessed."""

    def example(match):
        kind, _colon, name = match.group(1).rpartition(":")
        words = {"modality": "sentinel2", "view": "true_colour", "kind": "samples"}
        return str(numbers.get(name, 1)) if kind == "int" else words.get(name, str(uuid.UUID(int=1)))

    return "/" + re.sub(r"<([^>]+)>", example, route.replace("^", "").replace("$", "").replace("\\Z", ""))


def read_everything(client, campaign, sample):
    """What each route answers to GET, without what changes by itself (tokens, times)."""
    numbers = {"campaign_id": campaign.pk, "sample_id": sample.pk, "project_id": campaign.project_id}
    answers = {}
    for path in sorted({fill_in(route, numbers) for route in list_paths(get_resolver().url_patterns)}):
        if "logout" in path:
            continue
        response = client.get(path)
        body = b"".join(response.streaming_content) if response.streaming else response.content
        headers = sorted(item for item in response.headers.items() if item[0] not in ("Expires", "Last-Modified"))
        text = body.decode(errors="replace") + str(headers)
        changing = r"<time .*?</time>|csrf[^>]*?\"[A-Za-z0-9]{64}\"|[A-Za-z0-9]{64}"
        answers[path] = (response.status_code, re.sub(changing, "", text))
    return answers


def vote_of_others(campaign, samples):
    """Two other experts vote, skip and comment; one sample gets all its votes; its truth is on record."""
    round = services.current_round(campaign=campaign)
    for number in range(2):
        other = given.expert(campaign.project, pseudonym=f"{CANARY}{number}")
        first, second, third = services.claim(round=round, expert=other, session=None, count=3)
        cast(campaign, other, first, "10", comment=f"{CANARY} words")
        cast(campaign, other, second, "G", second_code="E", is_sure=False)
        cast(campaign, other, third, "", kind="skip", skip_reason="3")
    for sample in samples:
        Reference.objects.create(sample=sample, scheme="lcz17", code="7", source=f"{CANARY} source")


@pytest.mark.slow
def test_no_page_differs_whatever_others_voted(client):
    project = given.project()
    region = given.region(project)
    samples = given.samples(project, 6, region)
    campaign = given.campaign(project, samples=samples, quota=2)
    user = given.member(project)
    client.force_login(user)
    round = services.current_round(campaign=campaign)
    expert = given.expert(project, user)
    cast(campaign, expert, services.claim(round=round, expert=expert, session=None)[0], "A")
    before = read_everything(client, campaign, samples[0])
    vote_of_others(campaign, samples)
    full = RoundSample.objects.filter(round=round, slots_taken=2)
    assert full.exists()
    after = read_everything(client, campaign, samples[0])
    assert len(before) > 20
    assert {path: answer[1] for path, answer in after.items() if CANARY in answer[1]} == {}
    assert {path for path in before if before[path] != after[path]} == set()


def test_a_curator_sees_counts_but_no_answer_before_the_close(client):
    project = given.project()
    campaign = given.campaign(project, count=6, quota=2)
    vote_of_others(campaign, [])
    client.force_login(given.member(project, "curator"))
    answers = read_everything(client, campaign, Sample.objects.filter(project=project).first())
    start = f"/campaigns/{campaign.pk}/experts"
    named = {start + "/", start + ".csv"}  # curators know who takes part, not what was said
    assert {path for path, answer in answers.items() if CANARY in answer[1]} == named
    assert all(CANARY not in re.sub(CANARY + r"\d", "", answers[path][1]) for path in named)
    assert "4 of 12" in answers[f"/campaigns/{campaign.pk}/"][1]


def test_what_a_claim_and_a_vote_answer_has_no_word_about_others(client):
    project = given.project()
    campaign = given.campaign(project, count=6, quota=3)
    vote_of_others(campaign, list(Sample.objects.filter(project=project)))
    client.force_login(given.member(project))
    claimed = client.post(f"/campaigns/{campaign.pk}/claims/", "{}", content_type="application/json")
    assert set(claimed.json()) == {"assignments", "regions", "own"}
    shown = claimed.json()["assignments"][0]
    assert set(shown) == {"id", "sample", "lease_until"}
    assert set(shown["sample"]) == {
        *("id", "key", "kind", "region", "longitude", "latitude", "pixel_size_m", "width_px", "height_px"),
        *("is_simulated", "prompt", "content"),
    }
    assert (shown["sample"]["prompt"], shown["sample"]["content"]) == ("", {})
    assert CANARY not in claimed.content.decode()


@pytest.mark.slow
def test_the_order_tells_nothing_about_votes_or_their_number():
    project = given.project()
    samples = given.samples(project, 2_000)
    campaign = given.campaign(project, samples=samples, quota=5, seed=11)
    round = services.current_round(campaign=campaign)
    rng = np.random.default_rng(5)
    counts = dict(zip((each.pk for each in samples), rng.integers(0, 4, size=2_000).tolist(), strict=True))
    for count in range(1, 4):
        chosen = [pk for pk, votes in counts.items() if votes == count]
        RoundSample.objects.filter(round=round, sample__in=chosen).update(slots_taken=count)
    expert = Expert.objects.create(pk=10**9, project=project, pseudonym="fixed")  # the order depends on the number
    order = []
    while claimed := services.claim(round=round, expert=expert, session=None, count=50):
        Assignment.objects.filter(pk__in=[each.pk for each in claimed]).update(state="answered")
        order += [each.sample_id for each in claimed]
    assert len(order) == 2_000
    for others in ([counts[pk] for pk in order], order):
        assert abs(np.corrcoef(np.arange(2_000), others)[0, 1]) < 0.05


def test_the_api_keeps_the_consensus_until_the_close():
    campaign = given.campaign(given.project())
    assert Campaign.objects.get(pk=campaign.pk).state == "open"
    with pytest.raises(services.RefusedError, match="close it first"):
        services.start_consensus(round=services.current_round(campaign=campaign), by=None)
