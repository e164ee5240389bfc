"""Reviews: each sample is asked about one class, and the claims say which."""

import json

import pytest
from django.test import Client

from geoquorum.campaigns import services
from geoquorum.campaigns.models import ConsensusRun, RoundSample, Vote
from geoquorum.campaigns.services import RefusedError
from geoquorum.campaigns.services.second_round import start_second_round
from geoquorum.catalog.models import Sample
from tests import given

pytestmark = pytest.mark.django_db


def post(client, address, **body):
    answer = client.post(address, json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json()


def client_of(project):
    client = Client()
    client.force_login(given.member(project))
    return client


@pytest.fixture
def project():
    return given.project()


@pytest.fixture
def review(project):
    samples = given.samples(project, 3)
    codes = dict(zip((sample.pk for sample in samples), ("3", "10", "G"), strict=True))
    made = services.create_review(project=project, name="Review", proposals=codes, quota=2, by=None)
    return services.open_campaign(campaign=made, by=None), codes


def test_a_claim_says_which_class_is_proposed(project, review):
    campaign, codes = review
    status, body = post(client_of(project), f"/campaigns/{campaign.pk}/claims/", count=3)
    assert status == 200
    assert {one["sample"]["id"]: one["sample"]["prompt"] for one in body["assignments"]} == codes


def test_yes_and_no_are_votes_and_a_zone_is_none(project, review):
    campaign, _codes = review
    client = client_of(project)
    _status, body = post(client, f"/campaigns/{campaign.pk}/claims/", count=2)
    first, second = (one["id"] for one in body["assignments"])
    ids = iter(("5a1c7e56-5b0a-4c88-9df5-111111111111", "5a1c7e56-5b0a-4c88-9df5-222222222222"))
    address = f"/campaigns/{campaign.pk}/votes/"
    assert post(client, address, assignment=first, client_uuid=next(ids), code="no")[0] == 200
    status, refusal = post(client, address, assignment=second, client_uuid=next(ids), code="3")
    assert status == 400
    assert "not a code of scheme 'yes_no'" in json.dumps(refusal)
    assert list(Vote.objects.values_list("code", flat=True)) == ["no"]


def test_own_history_says_the_class_again(project, review):
    campaign, codes = review
    client = client_of(project)
    _status, body = post(client, f"/campaigns/{campaign.pk}/claims/", count=1)
    (claim,) = body["assignments"]
    uuid = "5a1c7e56-5b0a-4c88-9df5-333333333333"
    post(client, f"/campaigns/{campaign.pk}/votes/", assignment=claim["id"], client_uuid=uuid, code="yes")
    (vote,) = client.get(f"/campaigns/{campaign.pk}/history/").json()["votes"]
    assert vote["sample"]["prompt"] == codes[vote["sample"]["id"]]


def test_a_class_that_is_none_and_a_sample_without_one_are_refused(project):
    samples = given.samples(project, 2)
    with pytest.raises(RefusedError, match="'17' is not a code of scheme 'lcz17'"):
        services.create_review(project=project, name="R", proposals={samples[0].pk: "17"}, quota=1, by=None)
    made = given.campaign(project, samples=samples, question="yes_no_review", scheme="yes_no", is_open=False)
    with pytest.raises(RefusedError, match="1 samples of the review have no proposed class"):
        services.propose(round=services.current_round(campaign=made), proposals={samples[0].pk: "3"})
    assert not RoundSample.objects.exclude(prompt="").exists()


def test_samples_of_others_and_open_campaigns_are_refused(project, review):
    (foreign,) = given.samples(given.project(), 1)
    with pytest.raises(RefusedError, match="must belong to its project"):
        services.create_review(project=project, name="R", proposals={foreign.pk: "3"}, quota=1, by=None)
    campaign, codes = review
    with pytest.raises(RefusedError, match="only in a draft"):
        services.propose(round=services.current_round(campaign=campaign), proposals=codes)


def test_a_campaign_about_zones_proposes_nothing(project):
    made = given.campaign(project, count=1, is_open=False)
    with pytest.raises(RefusedError, match="whose question asks about one"):
        services.propose(round=services.current_round(campaign=made), proposals={})


def test_a_consensus_can_be_reviewed(project):
    region = given.city(project)
    run = given.consensus(project, [region])
    proposals = services.read_proposals(run)
    assert len(proposals) == 16
    services.create_review(project=project, name="Review", proposals=proposals, quota=1, by=None)
    assert RoundSample.objects.exclude(prompt="").count() == 16


def test_fields_of_an_answer_are_checked_before_anything_is_stored(project):
    campaign = given.photo_campaign(project, count=2)
    client = client_of(project)
    _status, body = post(client, f"/campaigns/{campaign.pk}/claims/", count=1)
    (claim,) = body["assignments"]
    content = claim["sample"]["content"]
    assert content["photo"] == f"/catalog/samples/{claim['sample']['id']}/photo.jpg"
    assert client.get(content["photo"]).status_code == 200
    address, uuid = f"/campaigns/{campaign.pk}/votes/", "5a1c7e56-5b0a-4c88-9df5-444444444444"
    ballot = {"assignment": claim["id"], "client_uuid": uuid, "code": "church"}
    for answer in ({"box": [0, 0, 2, 2]}, {"colour": "red"}, {"box": "all"}, {"box": [0.1] * 9_000}, []):
        assert post(client, address, **ballot, answer=answer)[0] in (400, 422)
    assert not Vote.objects.exists()
    assert post(client, address, **ballot, answer={"box": [0.1, 0.2, 0.3, 0.4]})[0] == 200
    assert Vote.objects.get().answer == {"box": [0.1, 0.2, 0.3, 0.4]}


def test_a_curator_makes_a_review_of_a_consensus_from_its_page(project):
    run = given.consensus(project, [given.city(project)])
    curator = Client()
    curator.force_login(given.member(project, "curator"))
    page = f"/campaigns/{run.campaign_id}/consensus/"
    address = f"{page}{run.pk}/review/"
    assert address in curator.get(page).content.decode()
    answer = curator.post(address)
    review = project.campaigns.get(question="yes_no_review")
    assert answer.url == f"/campaigns/{review.pk}/"
    assert review.state == "draft"
    expert = client_of(project)
    assert address not in expert.get(page).content.decode()
    assert expert.post(address).status_code == 403
    assert project.campaigns.count() == 2


def test_a_consensus_about_other_classes_is_not_reviewed(project):
    campaign = given.photo_campaign(project, count=2)
    run = ConsensusRun(campaign=campaign)
    with pytest.raises(RefusedError, match="asks about classes of 'lcz17'"):
        services.read_proposals(run)


def test_a_second_round_asks_what_the_first_asked(project, review):
    campaign, codes = review
    services.close_campaign(campaign=campaign, by=None)
    campaign.refresh_from_db()
    samples = list(Sample.objects.filter(pk__in=list(codes)[:1]))
    start_second_round(campaign=campaign, samples=samples, quota=1, by=given.member(project, "curator"))
    status, body = post(client_of(project), f"/campaigns/{campaign.pk}/claims/", count=3)
    assert status == 200
    assert [one["sample"]["prompt"] for one in body["assignments"]] == ["3"]
