"""Votes of other tools come in by the browser, whole or not at all, and votes, samples and labels can be taken out."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign, Vote
from tests import given

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def campaign() -> Campaign:
    return given.campaign(given.project(), count=2, quota=2)


@pytest.fixture
def curator(campaign: Campaign, client: Client) -> Client:
    client.force_login(given.member(campaign.project, "curator"))
    return client


def send(client: Client, campaign: Campaign, name: str, content: str, kind: str = "person") -> tuple[int, str]:
    sent = {"file": SimpleUploadedFile(name, content.encode()), "kind": kind}
    answer = client.post(reverse("campaigns:files", args=[campaign.pk]), sent, follow=True)
    return answer.status_code, answer.content.decode()


def keys(campaign: Campaign) -> list[str]:
    return list(campaign.rounds.get().round_samples.order_by("sample").values_list("sample__key", flat=True))


def test_votes_come_in_and_say_whose_they_are(curator: Client, campaign: Campaign) -> None:
    a, b = keys(campaign)
    status, page = send(curator, campaign, "votes.csv", f"sample,voter,code\n{a},net-1,3\n{b},net-1,A\n", "model")
    assert (status, "2 votes were taken." in page) == (200, True)
    assert set(Vote.objects.values_list("is_machine", "expert__kind")) == {(True, "model")}
    assert "Machine votes" in page


def test_a_label_studio_export_comes_in(curator: Client, campaign: Campaign) -> None:
    answer = {"from_name": "answer", "to_name": "sample", "type": "choices", "value": {"choices": ["3"]}}
    task = {"data": {"sample": keys(campaign)[0]}, "annotations": [{"completed_by": "ann", "result": [answer]}]}
    assert send(curator, campaign, "tasks.json", json.dumps([task]))[0] == 200
    assert Vote.objects.get().code == "3"


def test_bad_lines_are_told_as_text_and_nothing_is_stored(curator: Client, campaign: Campaign) -> None:
    a, b = keys(campaign)
    table = f"sample,voter,code\n{a},ann,3\n{b},ann,{SCRIPT}\n{a},ann,4\n"
    status, page = send(curator, campaign, "votes.csv", table)
    assert status == 400
    assert "votes.csv" in page
    assert "<li>line 3 has code &#x27;&lt;script&gt;" in page
    assert SCRIPT not in page
    assert not Vote.objects.exists()


def test_a_closed_campaign_takes_no_votes_and_gives_them_out(curator: Client, campaign: Campaign) -> None:
    page = curator.get(reverse("campaigns:files", args=[campaign.pk])).content.decode()
    out = [reverse("api:export_votes", args=[campaign.pk, form]) for form in ("parquet", "csv", "jsonl")]
    assert not any(address in page for address in out), "nobody reads votes before the close"
    a, _b = keys(campaign)
    send(curator, campaign, "votes.csv", f"sample,voter,code\n{a},ann,3\n")
    services.close_campaign(campaign=campaign, by=None)
    for run in campaign.consensus_runs.select_related("job"):
        given.work(run.job, services.refit)
    page = curator.get(reverse("campaigns:files", args=[campaign.pk])).content.decode()
    run = campaign.consensus_runs.first()
    assert all(address in page for address in [*out, reverse("campaigns:csv", args=[campaign.pk, run.pk, "samples"])])
    assert all(curator.get(address).status_code == 200 for address in out)
    status, page = send(curator, campaign, "votes.csv", f"sample,voter,code\n{a},ben,3\n")
    assert (status, "is closed; its votes are final" in page) == (400, True)
    assert Vote.objects.count() == 1
