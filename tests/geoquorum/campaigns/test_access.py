"""Who may do what on each route of campaigns."""

import io
import json
import uuid

import pytest
from django.urls import reverse

from geoquorum.campaigns import services
from geoquorum.campaigns.models import ConsensusRun, Vote
from geoquorum.queue.models import Job
from geoquorum.queue.services import run_claimed
from tests import given

pytestmark = pytest.mark.django_db
WHO = ("anonymous", "stranger", "staff", "expert", "curator", "admin")
LOGIN, NO, GONE, OK, THERE = 302, 403, 404, 200, 302

# Route and method: the status for each of WHO. Strangers learn nothing, so theirs is 404 everywhere.
OPEN_CAMPAIGN = {
    ("campaign", "get"): (LOGIN, GONE, GONE, OK, OK, OK),
    ("vote", "get"): (LOGIN, GONE, GONE, OK, OK, OK),
    ("history", "get"): (401, GONE, GONE, OK, OK, OK),
    ("claim", "post"): (401, GONE, GONE, OK, OK, OK),
    ("session", "post"): (401, GONE, GONE, OK, OK, OK),
    ("cast", "post"): (401, GONE, GONE, GONE, GONE, GONE),  # nobody holds the claim that the ballot names
    ("consensus", "get"): (LOGIN, GONE, GONE, GONE, GONE, GONE),  # not before the close
    ("open", "post"): (LOGIN, GONE, GONE, NO, THERE, THERE),
    ("close", "post"): (LOGIN, GONE, GONE, NO, THERE, THERE),
}
CLOSED_CAMPAIGN = {
    ("campaign", "get"): (LOGIN, GONE, GONE, OK, OK, OK),
    ("vote", "get"): (LOGIN, GONE, GONE, THERE, THERE, THERE),
    ("claim", "post"): (401, GONE, GONE, 409, 409, 409),
    ("consensus", "get"): (LOGIN, GONE, GONE, OK, OK, OK),
}
DRAFT = {
    ("campaign", "get"): (LOGIN, GONE, GONE, GONE, OK, OK),
    ("vote", "get"): (LOGIN, GONE, GONE, GONE, THERE, THERE),
    ("claim", "post"): (401, GONE, GONE, GONE, 409, 409),
    ("open", "post"): (LOGIN, GONE, GONE, NO, THERE, THERE),
}
OF_A_SESSION = {"session_pause", "session_resume", "session_end"}

SOME_UUID = "7b1a9277-5eec-43d1-b8a7-4a24778181f9"


@pytest.fixture
def project():
    return given.project()


def sign_in(client, who, project):
    if who == "stranger":
        client.force_login(given.member(given.project(), "admin"))
    elif who == "staff":
        client.force_login(given.user(is_staff=True, is_superuser=True))
    elif who != "anonymous":
        client.force_login(given.member(project, who))


def ask(client, route, method, campaign):
    url = reverse(f"campaigns:{route}", args=[campaign.pk])
    if method == "get":
        return client.get(url)
    ballot = {"assignment": 2**62, "client_uuid": str(uuid.uuid4()), "code": "A"}
    return client.post(url, json.dumps(ballot if route == "cast" else {}), content_type="application/json")


def spread(table):
    return [(route, method, who, status) for (route, method), row in table.items() for who, status in zip(WHO, row)]  # noqa: B905


@pytest.mark.parametrize(("route", "method", "who", "status"), spread(OPEN_CAMPAIGN))
def test_each_route_of_an_open_campaign_answers_each_person(client, project, route, method, who, status):
    campaign = given.campaign(project, count=2)
    sign_in(client, who, project)
    assert ask(client, route, method, campaign).status_code == status


@pytest.mark.parametrize(("route", "method", "who", "status"), spread(CLOSED_CAMPAIGN))
def test_each_route_of_a_closed_campaign_answers_each_person(client, project, route, method, who, status):
    campaign = given.campaign(project, count=2)
    services.close_campaign(campaign=campaign, by=None)
    sign_in(client, who, project)
    assert ask(client, route, method, campaign).status_code == status


@pytest.mark.parametrize(("route", "method", "who", "status"), spread(DRAFT))
def test_each_route_of_a_draft_answers_each_person(client, project, route, method, who, status):
    campaign = given.campaign(project, count=2, is_open=False)
    sign_in(client, who, project)
    assert ask(client, route, method, campaign).status_code == status


@pytest.mark.parametrize("action", sorted(OF_A_SESSION))
def test_a_session_is_its_expert_s_own(client, project, action):
    campaign = given.campaign(project, count=2)
    owner = given.member(project)
    client.force_login(owner)
    started = client.post(reverse("campaigns:session", args=[campaign.pk]), "{}", content_type="application/json")
    url = reverse(f"campaigns:{action}", args=[campaign.pk, started.json()["session"]])
    assert client.post(url).status_code == 200
    client.force_login(given.member(project, "admin"))
    assert client.post(url).status_code == 404


def test_pauses_are_counted_once(client, project):
    campaign = given.campaign(project, count=2)
    client.force_login(given.member(project))
    urls = client.post(reverse("campaigns:session", args=[campaign.pk]), "{}", content_type="application/json").json()
    states = [client.post(urls["urls"][action]).json() for action in ("pause", "pause", "resume", "end", "end")]
    assert [state["is_paused"] for state in states] == [True, True, False, False, False]
    assert [state["is_over"] for state in states] == [False, False, False, True, True]


@pytest.mark.parametrize("who", WHO)
def test_tables_of_a_consensus_answer_each_person(client, project, who):
    campaign = given.campaign(project, count=2, quota=1)
    round, expert = services.current_round(campaign=campaign), given.expert(project)
    for assignment in services.claim(round=round, expert=expert, session=None):
        ballot = services.Ballot(assignment=assignment.pk, client_uuid=uuid.uuid4(), code="A")
        services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)
    services.close_campaign(campaign=campaign, by=None)
    for job in Job.objects.all():
        run_claimed(job.pk, services.refit)
    run = ConsensusRun.objects.filter(campaign=campaign, state="ready").first()
    sign_in(client, who, project)
    statuses = [client.get(reverse("campaigns:csv", args=[campaign.pk, run.pk, kind])).status_code for kind in KINDS]
    expected = {"anonymous": [LOGIN] * 3, "expert": [OK, OK, GONE], "curator": [OK] * 3, "admin": [OK] * 3}
    assert statuses == expected.get(who, [GONE] * 3)


KINDS = ("samples", "confusion", "experts")


def test_a_run_of_another_campaign_is_not_found(client, project):
    campaign, other = given.campaign(project, count=2), given.campaign(given.project(), count=2)
    run = ConsensusRun.objects.create(
        campaign=other, round=services.current_round(campaign=other), method="majority", state="ready"
    )
    services.close_campaign(campaign=campaign, by=None)
    client.force_login(given.member(project, "admin"))
    assert client.get(reverse("campaigns:csv", args=[campaign.pk, run.pk, "samples"])).status_code == 404
    assert client.get(reverse("campaigns:consensus", args=[campaign.pk]), {"run": run.pk}).status_code == 404


@pytest.mark.parametrize(("who", "status"), [("expert", NO), ("curator", OK), ("stranger", GONE), ("anonymous", LOGIN)])
def test_only_curators_make_campaigns(client, project, who, status):
    sign_in(client, who, project)
    assert client.get(reverse("campaigns:new"), {"project": project.slug}).status_code == status


def test_a_curator_makes_a_campaign_from_a_region(client, project):
    region = given.region(project)
    given.samples(project, 4, region)
    client.force_login(given.member(project, "curator"))
    fields = {"name": "<b>Testford</b>", "question": "lcz_patch", "scheme": "lcz17", "regions": [region.pk], "quota": 2}
    page = client.post(reverse("campaigns:new"), fields, follow=True)
    assert "&lt;b&gt;Testford&lt;/b&gt;" in page.content.decode()
    assert "Open for votes" in page.content.decode()
    wrong = client.post(reverse("campaigns:new"), fields | {"regions": [given.region(given.project()).pk]})
    assert "Select a valid choice" in wrong.content.decode()
    clash = client.post(reverse("campaigns:new"), fields | {"question": "patch_classes", "scheme": "yes_no"})
    assert "is taken by" in clash.content.decode()


def test_an_expert_s_list_shows_what_is_open_and_no_draft(client, project):
    shown, hidden = given.campaign(project, name="Shown"), given.campaign(project, name="Hidden", is_open=False)
    client.force_login(given.member(project))
    html = client.get(reverse("campaigns:list")).content.decode()
    assert shown.name in html
    assert hidden.name not in html
    assert "All votes" not in html


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("{", 400, "not JSON"),
        ("[]", 400, "body"),
        pytest.param('"%s"' % ("x" * 3_000_000), 413, "too large", id="three megabytes"),
        ('{"assignment": 1}', 400, "client_uuid"),
        ('{"assignment": 1, "client_uuid": "x"}', 400, "client_uuid"),
        ('{"assignment": 99999999999999999999, "client_uuid": "%s"}' % SOME_UUID, 400, "assignment"),  # noqa: UP031
        ('{"assignment": 1, "client_uuid": "%s", "expert": 3}' % SOME_UUID, 400, "expert"),  # noqa: UP031
        ('{"assignment": 1, "client_uuid": "%s", "comment": "\\u0000"}' % SOME_UUID, 400, "comment"),  # noqa: UP031
        ('{"assignment": 1, "client_uuid": "%s", "comment": "\\ud800"}' % SOME_UUID, 400, "comment"),  # noqa: UP031
        ('{"assignment": true, "client_uuid": "%s"}' % SOME_UUID, 400, "assignment"),  # noqa: UP031
        ('{"assignment": %s}' % ("9" * 5_000), 400, "not JSON"),
        ('{"assignment": 1, "client_uuid": "%s", "shown_at": "0001-01-01T00:00:00+14:00"}' % SOME_UUID, 400, "1970"),  # noqa: UP031
        ('{"assignment": 1, "client_uuid": "%s", "decided_at": "9999-12-31T23:00:00-14:00"}' % SOME_UUID, 400, "2199"),  # noqa: UP031
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_one_sentence(client, project, body, status, words):
    campaign = given.campaign(project)
    client.force_login(given.member(project))
    answer = client.post(reverse("campaigns:cast", args=[campaign.pk]), body, content_type="application/json")
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert not Vote.objects.exists()


@pytest.mark.parametrize("address", ["claim", "cast", "session", "save_preferences"])
def test_a_form_where_json_belongs_is_refused_in_one_sentence(client, project, address):
    campaign = given.campaign(project)
    client.force_login(given.member(project))
    url = reverse(f"campaigns:{address}", args=[] if address == "save_preferences" else [campaign.pk])
    for body in ({"assignment": "1"}, {"file": io.BytesIO(b"{}")}):
        answer = client.post(url, body)
        assert (answer.status_code, answer.json()["error"]) == (400, "The body is not JSON.")


def test_a_vote_over_http_answers_with_receipt_and_next(client, project):
    campaign = given.campaign(project)
    client.force_login(given.member(project))
    first = ask(client, "claim", "post", campaign).json()
    assert len(first["assignments"]) == 5
    assert first["own"] == {"answered": 0, "skipped": 0, "total": 10}
    ballot = {"assignment": first["assignments"][0]["id"], "client_uuid": str(uuid.uuid4()), "code": "A", "want": 5}
    url = reverse("campaigns:cast", args=[campaign.pk])
    answer = client.post(url, json.dumps(ballot), content_type="application/json").json()
    assert answer["receipt"]["code"] == "A"
    assert len(answer["assignments"]) == 5
    past = client.get(reverse("campaigns:history", args=[campaign.pk])).json()
    assert [(vote["id"], vote["code"]) for vote in past["votes"]] == [(ballot["assignment"], "A")]
    assert past["own"]["answered"] == 1


def test_a_vote_without_the_csrf_token_is_refused(project):
    from django.test import Client

    campaign = given.campaign(project)
    client = Client(enforce_csrf_checks=True)
    client.force_login(given.member(project))
    assert ask(client, "claim", "post", campaign).status_code == 403


def test_a_database_that_does_not_answer_is_said_so(client, project, monkeypatch):
    from django.db import OperationalError

    def fail(**_fields):
        raise OperationalError("gone")

    campaign = given.campaign(project)
    client.force_login(given.member(project))
    monkeypatch.setattr(services, "claim", fail)
    answer = ask(client, "claim", "post", campaign)
    assert answer.status_code == 503
    assert "nothing was stored" in answer.json()["error"]
