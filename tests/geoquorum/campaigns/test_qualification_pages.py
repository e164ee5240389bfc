"""Qualification over HTTP: who is led where, and that the key reaches nobody."""

import html
import json
import uuid

import pytest
from django.urls import reverse

from geoquorum.accounts.services import expert_of
from geoquorum.campaigns.models import Assignment, Attempt, Standing
from geoquorum.campaigns.services import scheme_of
from geoquorum.campaigns.services.qualification import start_attempt
from tests import given
from tests.geoquorum.campaigns.qualifying import KEY, answer, open_campaign


@pytest.fixture
def campaign(db):
    return open_campaign()


def test_the_vote_page_sends_the_unqualified_to_the_qualification(campaign, client):
    user = given.member(campaign.project)
    client.force_login(user)
    address = reverse("campaigns:vote", args=[campaign.pk])
    assert client.get(address).url == reverse("campaigns:qualify", args=[campaign.pk])
    attempt = start_attempt(campaign=campaign, expert=expert_of(user=user, project=campaign.project))
    answer(attempt)
    assert client.get(address).status_code == 200
    history = client.get(reverse("campaigns:history", args=[campaign.pk])).json()
    assert history["votes"] == []


def test_the_unqualified_are_refused_through_the_api_too(campaign, client):
    client.force_login(given.member(campaign.project))
    for address in (f"/api/v1/campaigns/{campaign.pk}/next", f"/campaigns/{campaign.pk}/claims/"):
        response = client.post(address, '{"count": 1}', content_type="application/json")
        assert response.status_code == 409
        assert "Qualify first" in response.content.decode()
    assert not Assignment.objects.filter(campaign=campaign).exists()


def post(client, name, campaign, body=None):
    address = reverse(f"campaigns:{name}", args=[campaign.pk])
    return client.post(address, json.dumps(body or {}), content_type="application/json")


def test_a_try_over_http_from_start_to_score_never_shows_the_key(campaign, client):
    """Every page and answer of a whole try: no explanation, no field of gold, and nothing after a vote tells if it was
    right."""
    user = given.member(campaign.project)
    client.force_login(user)
    read = [client.get(reverse("campaigns:qualify", args=[campaign.pk]))]
    assert client.post(reverse("campaigns:qualify_start", args=[campaign.pk])).url.endswith("/qualify/vote/")
    read.append(client.get(reverse("campaigns:qualify_vote", args=[campaign.pk])))
    assert read[-1].status_code == 200
    claims = post(client, "qualify_claim", campaign, {"count": 3})
    receipts = []
    while held := claims.json()["assignments"]:
        read.append(claims)
        body = {"assignment": held[0]["id"], "client_uuid": str(uuid.uuid4()), "code": "6", "want": 3}
        claims = post(client, "qualify_cast", campaign, body)
        receipts.append(claims.json()["receipt"])
    read += [claims, client.get(reverse("campaigns:qualify_history", args=[campaign.pk]))]
    read.append(client.get(reverse("campaigns:qualify", args=[campaign.pk])))
    assert len(receipts) == 6
    shapes = {tuple(sorted((name, type(value).__name__) for name, value in one.items())) for one in receipts}
    assert len(shapes) == 1
    for response in read:
        text = response.content.decode()
        assert "canary" not in text
        assert "is_gold" not in text
        assert '"gold"' not in text
    attempt = Attempt.objects.get(expert=expert_of(user=user, project=campaign.project))
    assert attempt.ended_at is not None
    last = read[-1].content.decode()
    assert f"{attempt.score:.0%}".replace("%", "") in last
    samples = attempt.round.round_samples.select_related("sample")
    assert not [row for row in samples if row.sample.key in last]
    assert "What you answered in the last try" in last
    assert scheme_of(campaign).find("6").aerial[:40] in html.unescape(last)
    assert not [code for code in KEY if code != "6" and scheme_of(campaign).find(code).aerial[:40] in last]


def test_strangers_and_experts_of_another_project_find_nothing(campaign, client):
    start_attempt(campaign=campaign, expert=given.expert(campaign.project))
    for user in (given.user(), given.member(given.project(), "admin")):
        client.force_login(user)
        for name in ("qualify", "qualify_vote", "qualify_history"):
            assert client.get(reverse(f"campaigns:{name}", args=[campaign.pk])).status_code == 404
        for name in ("qualify_start", "qualify_claim", "qualify_cast"):
            body = {"assignment": 1, "client_uuid": str(uuid.uuid4()), "code": "6"} if name == "qualify_cast" else {}
            assert post(client, name, campaign, body).status_code == 404


def test_an_expert_without_a_try_has_nothing_to_claim(campaign, client):
    client.force_login(given.member(campaign.project))
    assert post(client, "qualify_claim", campaign).status_code == 404
    assert client.get(reverse("campaigns:qualify_vote", args=[campaign.pk])).status_code == 302


def test_only_curators_let_people_in(campaign, client):
    expert = given.expert(campaign.project)
    for role, status in (("expert", 403), ("curator", 302)):
        client.force_login(given.member(campaign.project, role))
        for name in ("let_in", "reset_tries", "dismiss_flag"):
            address = reverse(f"campaigns:{name}", args=[campaign.pk, expert.pk])
            assert client.post(address, {"reason": "because"}).status_code in (status, 404 if status == 302 else status)
    assert Standing.objects.get(expert=expert).state == "waived"


def test_an_expert_of_another_project_cannot_be_let_in(campaign, client):
    client.force_login(given.member(campaign.project, "curator"))
    foreign = given.expert(given.project())
    address = reverse("campaigns:let_in", args=[campaign.pk, foreign.pk])
    assert client.post(address, {"reason": "because"}).status_code == 404
