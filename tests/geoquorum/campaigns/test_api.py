"""The API's campaigns: the same services, the same rights."""

import json
import uuid

import pytest

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Vote
from geoquorum.queue.models import Job
from tests import given

pytestmark = pytest.mark.django_db
API = "/api/v1/campaigns"


def post(client, path, body):
    return client.post(API + path, json.dumps(body), content_type="application/json")


def test_one_votes_over_the_api_and_reads_the_consensus_after_the_close(client):
    project = given.project()
    campaign = given.campaign(project, count=3, quota=1)
    client.force_login(given.member(project))
    assert [row["id"] for row in client.get(API).json()] == [campaign.pk]
    claimed = post(client, f"/{campaign.pk}/next", {"count": 3}).json()
    for assignment in claimed:
        ballot = {"assignment": assignment["id"], "client_uuid": str(uuid.uuid4()), "code": "A"}
        receipt = post(client, f"/{campaign.pk}/votes", ballot)
        assert receipt.json()["vote"] == Vote.objects.latest("pk").pk
    assert post(client, f"/{campaign.pk}/next", {}).json() == []
    assert client.get(f"{API}/{campaign.pk}/consensus").status_code == 404
    services.close_campaign(campaign=campaign, by=None)
    for job in Job.objects.all():
        given.work(job, services.refit)
    pages, after = [], 0
    while rows := client.get(f"{API}/{campaign.pk}/consensus", {"limit": 2, "after": after}).json()["rows"]:
        pages.append(len(rows))
        after = rows[-1]["sample"]
        assert {row["code"] for row in rows} == {"A"}
    assert pages == [2, 1]
    unknown = client.get(f"{API}/{campaign.pk}/consensus", {"method": "oracle"})
    assert (unknown.status_code, unknown.json()) == (404, {"error": "There is no consensus by 'oracle' yet."})


@pytest.mark.parametrize(("who", "status"), [("anonymous", 401), ("stranger", 404), ("staff", 404)])
@pytest.mark.parametrize("path", ["next", "votes", "consensus"])
def test_strangers_learn_nothing_over_the_api(client, who, status, path):
    campaign = given.campaign(given.project(), count=2)
    if who != "anonymous":
        client.force_login(given.user(is_staff=who == "staff", is_superuser=who == "staff"))
        assert client.get(API).json() == []
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
    assert "its codes are 1, 2, 3" in answer.json()["error"]
    services.close_campaign(campaign=campaign, by=None)
    assert post(client, f"/{campaign.pk}/next", {}).status_code == 409
