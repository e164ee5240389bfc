"""The API's campaigns: the same services, the same rights."""

import json
import uuid

import pytest
from django.utils import timezone

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign, Vote
from geoquorum.queue.models import Job
from tests import given

pytestmark = pytest.mark.django_db
API = "/api/v1/campaigns"


def post(client, path, body):
    return client.post(API + path, json.dumps(body), content_type="application/json")


def vote_all(client, campaign, code="A"):
    claimed = post(client, f"/{campaign.pk}/next", {"count": 50}).json()
    for assignment in claimed:
        ballot = {"assignment": assignment["id"], "client_uuid": str(uuid.uuid4()), "code": code}
        assert post(client, f"/{campaign.pk}/votes", ballot).json()["vote"] == Vote.objects.latest("pk").pk
    return len(claimed)


def close(campaign):
    services.close_campaign(campaign=campaign, by=None)
    for job in Job.objects.all():
        given.work(job, services.refit)


def list_pages(client, path, limit):
    """All pages of a list."""
    pages, cursor = [], None
    while True:
        page = client.get(API + path, {"limit": limit} | ({"cursor": cursor} if cursor else {})).json()
        pages.append(page["items"])
        cursor = page["next"]
        if cursor is None:
            return pages


def test_one_votes_over_the_api_and_reads_the_consensus_after_the_close(client):
    project = given.project()
    campaign = given.campaign(project, count=3, quota=1)
    client.force_login(given.member(project))
    assert [row["id"] for row in client.get(API).json()["items"]] == [campaign.pk]
    assert client.get(f"{API}/{campaign.pk}").json()["project"] == project.slug
    assert vote_all(client, campaign) == 3
    assert post(client, f"/{campaign.pk}/next", {}).json() == []
    assert client.get(f"{API}/{campaign.pk}/consensus").status_code == 404
    close(campaign)
    pages = list_pages(client, f"/{campaign.pk}/consensus", 2)
    assert [len(page) for page in pages] == [2, 1]
    assert {row["code"] for page in pages for row in page} == {"A"}
    unknown = client.get(f"{API}/{campaign.pk}/consensus", {"method": "oracle"})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "There is no consensus by 'oracle' yet.")


def test_each_run_of_a_closed_campaign_has_its_labels(client):
    project = given.project()
    campaign = given.campaign(project, count=3, quota=1)
    client.force_login(given.member(project))
    vote_all(client, campaign)
    close(campaign)
    runs = client.get(f"{API}/{campaign.pk}/runs").json()["items"]
    assert {"majority", "dawid_skene"} <= {run["method"] for run in runs}
    for run in runs:
        labels = client.get(f"{API}/{campaign.pk}/runs/{run['id']}/labels").json()
        assert labels["method"] == run["method"]
        assert [label["votes"] for label in labels["items"]] == [1, 1, 1]


def test_samples_are_listed_with_what_an_expert_may_know_and_no_more(client):
    project = given.project()
    campaign = given.campaign(project, count=5)
    client.force_login(given.member(project))
    before = list_pages(client, f"/{campaign.pk}/samples", 2)
    assert [len(page) for page in before] == [2, 2, 1]
    other = given.expert(project)
    round = services.current_round(campaign=campaign)
    claimed = services.claim(round=round, expert=other, session=None, count=5)
    for assignment in claimed[:3]:
        ballot = services.Ballot(assignment=assignment.pk, client_uuid=uuid.uuid4(), code="A")
        services.cast_vote(campaign=campaign, expert=other, ballot=ballot)
    assert list_pages(client, f"/{campaign.pk}/samples", 2) == before


def test_own_votes_are_listed_the_latest_first_with_each_revision(client):
    project = given.project()
    campaign = given.campaign(project, count=2)
    client.force_login(given.member(project))
    assert client.get(f"{API}/{campaign.pk}/votes/own").json() == {"items": [], "next": None}
    assert not project.experts.exists(), "a pseudonym was made by looking"
    vote_all(client, campaign)
    first = post(client, f"/{campaign.pk}/next", {}).json()
    assert first == []
    own = list_pages(client, f"/{campaign.pk}/votes/own", 1)
    assert [vote["code"] for page in own for vote in page] == ["A", "A"]
    other = given.member(project)
    client.force_login(other)
    assert client.get(f"{API}/{campaign.pk}/votes/own").json()["items"] == []


def test_all_votes_are_for_curators_after_the_close_or_an_unblinding(client):
    project = given.project()
    campaign = given.campaign(project, count=3, quota=1)
    expert, curator = given.member(project), given.member(project, "curator")
    client.force_login(expert)
    vote_all(client, campaign)

    def ask(account):
        client.force_login(account)
        return client.get(f"{API}/{campaign.pk}/votes").status_code

    assert (ask(expert), ask(curator)) == (404, 404)
    Campaign.objects.filter(pk=campaign.pk).update(unblinded_at=timezone.now())
    assert (ask(expert), ask(curator)) == (404, 200)
    Campaign.objects.filter(pk=campaign.pk).update(unblinded_at=None)
    close(campaign)
    assert (ask(expert), ask(curator)) == (403, 200)
    pages = list_pages(client, f"/{campaign.pk}/votes", 2)
    assert [len(page) for page in pages] == [2, 1]
    assert {vote["expert"] for page in pages for vote in page} == {project.experts.get().pseudonym}


@pytest.mark.parametrize(("who", "status"), [("anonymous", 401), ("stranger", 404), ("staff", 404)])
@pytest.mark.parametrize("path", ["next", "votes", "consensus"])
def test_strangers_learn_nothing_over_the_api(client, who, status, path):
    campaign = given.campaign(given.project(), count=2)
    if who != "anonymous":
        client.force_login(given.user(is_staff=who == "staff", is_superuser=who == "staff"))
        assert client.get(API).json() == {"items": [], "next": None}
    url = f"/{campaign.pk}/{path}"
    ballot = {"assignment": 1, "client_uuid": str(uuid.uuid4()), "code": "A"} if path == "votes" else {}
    answer = client.get(API + url) if path == "consensus" else post(client, url, ballot)
    assert answer.status_code == status


def test_a_refusal_is_one_sentence_with_its_status(client):
    project = given.project()
    campaign = given.campaign(project, count=2)
    client.force_login(given.member(project))
    (assignment,) = post(client, f"/{campaign.pk}/next", {"count": 1}).json()
    ballot = {"assignment": assignment["id"], "client_uuid": str(uuid.uuid4()), "code": "17"}
    answer = post(client, f"/{campaign.pk}/votes", ballot)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert "its codes are 1, 2, 3" in answer.json()["detail"]
    services.close_campaign(campaign=campaign, by=None)
    assert post(client, f"/{campaign.pk}/next", {}).status_code == 409
