"""Things of others, named in addresses, bodies and queries by people from elsewhere; and rights taken away."""

import json
import re
import uuid
from pathlib import Path

import pytest
from django.test import Client

import geoquorum
from geoquorum.accounts import tokens
from geoquorum.accounts.models import Membership
from geoquorum.campaigns import services as campaigns
from geoquorum.queue.models import Job, JobState
from geoquorum.releases import services as releases
from geoquorum.releases.models import BuildState
from tests import given
from tests.everything import CANARY, World, digest_rows, is_json, list_routes, undone

pytestmark = pytest.mark.django_db
WRONG_PEOPLE = ("stranger", "neighbour", "elsewhere", "staff")
ROUTES = list(dict.fromkeys(list_routes()))
OF_THINGS = [route for route in ROUTES if "<" in route]
ARTEFACTS = [  # runs to compare are named in the query: their own tests ask for foreign ones
    route
    for route in ROUTES
    if not route.startswith("training/compare/")
    and (re.search(r"\.(png|bin|csv|tif|jpg|<form>)$", route) or "exports/<" in route or "/progress" in route)
]


@pytest.fixture(scope="module")
def world(shared_rows: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("maps"))


@pytest.mark.parametrize("who", WRONG_PEOPLE)
def test_an_empty_change_of_a_foreign_thing_is_refused_and_shows_nothing_of_it(world, who):
    """Empty PATCH, PUT, POST and DELETE at every address of a thing: 4xx, none of its fields, no row changed."""
    before = digest_rows()
    for route in OF_THINGS:
        for method in ("PATCH", "PUT", "POST", "DELETE"):
            client = world.client(who)
            answer = client.generic(method, world.address(route), b"{}", content_type="application/json")
            assert 400 <= answer.status_code < 500, (route, method, answer.status_code)
            assert CANARY not in answer.content.decode(), (route, method)
    assert digest_rows() == before


@pytest.mark.parametrize("route", [route for route in OF_THINGS if route not in ("^api(?:/.*)?$",)])
def test_the_wrong_people_read_nothing(world, route):
    for who in ("anonymous", *WRONG_PEOPLE):
        page = world.ask(who, "GET", route).whole
        assert CANARY.encode() not in page
        assert CANARY.lower().encode() not in page


@pytest.mark.parametrize("route", ARTEFACTS)
def test_no_byte_of_an_artefact_reaches_the_wrong_people(world, route):
    """Exports, pictures, tables, maps and the state of jobs: what a curator gets, none of it for others."""
    right = world.ask("curator", "GET", route)
    if "/photo" not in route and right.status_code != 286:
        assert len(right.whole) > 20, "this artefact is empty even for those who may have it"
    for who in ("anonymous", *WRONG_PEOPLE, "token"):
        if who == "token" and not route.startswith("api/"):
            continue
        answer = world.ask(who, "GET", route)
        assert answer.status_code in (302, 401, 403, 404)
        assert not right.whole or right.whole not in answer.whole
        assert not answer.whole or answer["Content-Type"].startswith(("text/html", "application/problem+json"))
        assert "Content-Disposition" not in answer


def test_foreign_lists_are_empty(world):
    for address in ("/api/v1/campaigns", "/api/v1/versions", "/api/v1/runs"):
        assert len(world.client("curator").get(address).json()["items"]) > 0
        for who in WRONG_PEOPLE:
            assert CANARY not in world.client(who).get(address).content.decode()
    for address in ("/", "/campaigns/", "/catalog/", "/releases/", "/training/", "/jobs/", "/account/"):
        for who in WRONG_PEOPLE:
            assert CANARY not in world.client(who).get(address).content.decode(), (who, address)


def home_of(role):
    """Somebody who may do everything at home, with a campaign there."""
    home = given.project()
    client = Client()
    account = given.member(home, role)
    client.force_login(account)
    return home, account, client


@pytest.mark.parametrize("role", ["curator", "admin"])
def test_foreign_things_cannot_be_named_in_a_body(world, role):
    """Each field that names a thing, set to one of another project: refused, and no row is changed."""
    home, account, client = home_of(role)
    campaign = given.campaign(home, count=2)
    token, _secret = tokens.make_token(user=account, project=home, name="mine", scopes=["read"])
    expert = given.expert(home, account)
    own = campaigns.claim(round=campaigns.current_round(campaign=campaign), expert=expert, session=None, count=1)[0]
    other = given.expert(world.project)
    theirs = campaigns.claim(round=campaigns.current_round(campaign=world.open), expert=other, session=None, count=1)[0]
    ballot = {"client_uuid": str(uuid.uuid4()), "code": "A"}
    asked = {"question": "lcz_patch", "scheme": "lcz17", "kind": "fixed", "quota": 3, "name": "Mine"}
    at = f"campaigns/{campaign.pk}"
    bodies = [
        ("/api/v1/runs", {"version": world.version.pk, "task": "lcz"}),
        (f"/api/v1/{at}/next", {"session": world.session.pk}),
        (f"/{at}/claims/", {"session": world.session.pk}),
        (f"/{at}/votes/", ballot | {"assignment": theirs.pk}),
        (f"/api/v1/{at}/votes", ballot | {"assignment": theirs.pk}),
        (f"/api/v1/{at}/votes", ballot | {"assignment": 2**62}),
        (f"/{at}/sessions/{world.session.pk}/pause/", {}),
        (f"/{at}/sessions/{world.session.pk}/end/", {}),
        (f"/{at}/samples/{world.comment.sample_id}/raise/", {"text": "mine"}),
        (f"/{at}/samples/{world.comment.sample_id}/comments/", {"text": "mine"}),
        (f"/{at}/samples/{world.comment.sample_id}/adjudicate/", {"code": "A", "reason": "because it is mine"}),
        (f"/{at}/samples/{own.sample_id}/comments/{world.comment.pk}/erase/", {"reason": "because I can"}),
        ("/campaigns/new/", asked | {"regions": [world.region.pk]}),
        (f"/campaigns/new/?project={world.project.slug}", asked | {"regions": [world.region.pk]}),
        (f"/account/tokens/{world.token.pk}/revoke/", {}),
        ("/account/tokens/", {"name": "more", "project": world.project.pk, "scopes": ["read"], "days": 7}),
        (f"/training/start/{world.version.pk}/", {"task": "lcz"}),
        (f"/releases/from/{world.consensus.pk}/", {"name": "mine"}),
    ]
    before = digest_rows()
    for address, body in bodies:
        answer = post(client, address, body)
        is_form_again = address == "/campaigns/new/" and answer.status_code == 200
        assert 400 <= answer.status_code < 500 or is_form_again, (address, answer.status_code)
        assert CANARY not in answer.content.decode(), address
        assert digest_rows() == before, address
    assert token.revoked_at is None


def post(client, address, body):
    """A body as this address takes it: JSON or a form."""
    if is_json(address.lstrip("/")):
        return client.post(address, json.dumps(body), content_type="application/json")
    return client.post(address, body)


def test_a_foreign_session_gives_a_vote_no_session(world):
    """A vote on one's own claim that names a foreign session is stored without it, or refused; never under it."""
    home, account, client = home_of("expert")
    campaign = given.campaign(home, count=2)
    expert = given.expert(home, account)
    own = campaigns.claim(round=campaigns.current_round(campaign=campaign), expert=expert, session=None, count=1)[0]
    ballot = {"assignment": own.pk, "client_uuid": str(uuid.uuid4()), "code": "A", "session": world.session.pk}
    post(client, f"/campaigns/{campaign.pk}/votes/", ballot)
    assert not world.session.votes.exists()


def test_a_map_cannot_be_asked_for_a_region_of_another_project(world):
    foreign = given.region(given.project(), "Foreign")
    before = digest_rows()
    assert world.client("curator").post(f"/training/{world.run.pk}/map/", {"region": foreign.pk}).status_code == 404
    assert digest_rows() == before


def test_a_project_that_is_not_ones_own_cannot_be_chosen(world):
    client = world.client("stranger")
    client.post("/account/project/", {"project": world.project.slug})
    assert CANARY not in client.get("/").content.decode()
    assert not client.session.get("project")


@pytest.mark.parametrize("number", [0, 2**31, 2**63, 10**30])
def test_numbers_that_no_row_has_are_not_found(world, number):
    for route in ROUTES:
        if route.count("<int:") != 1 or "<" in route.replace("<int:", ""):
            continue
        address = "/" + re.sub(r"<int:\w+>", str(number), route)
        statuses = {world.client("admin").get(address).status_code, world.client("admin").post(address).status_code}
        assert statuses <= {400, 404, 405, 422}, address


LOOKUPS = (
    {"user__password__startswith": "p"}, {"project__memberships__user__password__regex": "^p"}, {"_connector": "OR"},
    {"expert__user__email__contains": "a"}, {"ordering": "password"}, {"order_by": "-user__password"},
    {"sort": "votes__code"}, {"filter": "code=A"}, {"fields": "votes"}, {"include": "experts"}, {"id__gt": "0"},
    {"created_by__username": "admin"}, {"page": "1 OR 1=1"}, {"state": "x' OR '1'='1"}, {"_negated": "True"},
)  # fmt: skip


@pytest.mark.parametrize("who", ["expert", "elsewhere"])
@pytest.mark.slow
def test_lookups_and_orders_that_nobody_declared_change_no_answer(world, who):
    routes = [route for route in ROUTES if not route.endswith((".png", ".tif", ".bin")) and "exports/" not in route]
    for route in routes:
        address = world.address(route)
        client = world.client(who)
        plain = client.get(address)
        if plain.status_code != 200 or plain.streaming:
            continue
        for query in LOOKUPS:
            answer = client.get(address, query)
            same = tidy(answer.content) == tidy(plain.content)
            assert same or answer.status_code in (400, 404, 422), (address, query)


def tidy(content):
    """A page without what is drawn anew for each request, and without the address it was asked at."""
    text = re.sub(rb'(csrfmiddlewaretoken"|X-CSRFToken":|data-csrf-token=)[^>]*', b"", content)
    return re.sub(rb'name="next" value="[^"]*"|hx-get="[^"]*"| aria-current="true"|<time .*?</time>', b"", text)


def test_no_query_is_made_of_what_somebody_sent():
    """`filter(**request...)` and its kin are nowhere in the code."""
    code = Path(geoquorum.__file__).parent
    pattern = re.compile(
        r"(filter|exclude|get|order_by|annotate|update|create|Q)\(\s*\*{1,2}\s*(request|body|params|query)"
    )
    found = [path.name for path in code.rglob("*.py") if pattern.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_rights_that_were_taken_away_are_gone_at_the_next_request(world):
    with undone():
        client = world.client("curator")
        addresses = [world.address(route) for route in ROUTES if "<" in route and "<session" not in route]
        open_before = [address for address in addresses if client.get(address).status_code == 200]
        assert len(open_before) > 15
        Membership.objects.filter(user=world.people["curator"]).delete()
        assert {client.get(address).status_code for address in open_before} == {404}


def test_an_account_that_is_switched_off_is_out_at_the_next_request(world):
    with undone():
        client, account = world.client("expert"), world.people["expert"]
        type(account).objects.filter(pk=account.pk).update(is_active=False)
        for route in ROUTES:
            if "<" in route and not route.startswith("^"):
                answer = client.get(world.address(route))
                assert answer.status_code in (302, 401, 405), route
                claimed = client.post(f"/campaigns/{world.open.pk}/claims/", "{}", content_type="application/json")
        assert claimed.status_code == 401


def test_an_export_whose_orderer_lost_the_right_while_it_waited_is_not_built(world):
    with undone():
        curator = world.people["curator"]
        export = releases.start_export(version=world.version, exporter="pack", by=curator)
        Membership.objects.filter(user=curator).delete()
        job = given.work(export.job, releases.execute_export)
        export.refresh_from_db()
        assert (job.state, export.state) == (JobState.FAILED, BuildState.FAILED)
        assert export.files == []
        assert Job.objects.filter(pk=job.pk, attempts=1).exists()
