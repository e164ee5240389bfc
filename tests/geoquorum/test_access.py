"""Who may do what: every route of the resolver, by every kind of person, by GET and POST.

A route that is not listed fails. Strangers learn nothing, not even that a thing exists: theirs is 404, and a
superuser without a role is a stranger.
"""

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from fusion import maps
from fusion import scheme as schemes
from geoquorum.accounts.services import expert_of
from geoquorum.api import api
from geoquorum.campaigns import services as campaigns
from geoquorum.catalog.models import Sample
from geoquorum.queue.services import enqueue
from geoquorum.releases import services as releases
from geoquorum.training import services as training
from geoquorum.training.models import MapProduct, Run, RunState
from tests import given

pytestmark = pytest.mark.django_db
CANARY = "Canary7f3a"
WHO = ("anonymous", "stranger", "elsewhere", "staff", "expert", "curator", "admin")
OUTSIDE = WHO[:4]

# One row for each route: the status for each of WHO by GET, and by POST.
PUBLIC = "200 200 200 200 200 200 200"
TURNED = "302 302 302 302 302 302 302"
OWN_PAGE = "302 200 200 200 200 200 200"  # one's own things, whoever one is: a stranger finds nothing of others in it
MEMBERS = "302 404 404 404 200 200 200"
CURATORS = "302 404 404 404 403 200 200"
CURATORS_ACT = "302 404 404 404 403 302 302"
NO_SUCH_METHOD = "302 405 405 405 405 405 405"
NEVER = "405 405 405 405 405 405 405"
NOTHING = "404 404 404 404 404 404 404"
PROGRAMS = "401 200 200 200 200 200 200"
PROGRAMS_OF_MEMBERS = "401 404 404 404 200 200 200"
PROGRAMS_OF_CURATORS = "401 404 404 404 403 200 200"
NOBODY_HERE = "401 404 404 404 404 404 404"  # no claim is held, or no such consensus was made
TABLE: dict[str, tuple[str, str]] = {
    "": (OWN_PAGE, NO_SUCH_METHOD),
    "styles/": (PUBLIC, NEVER),
    "swatches.css": (PUBLIC, NEVER),
    "login/": ("200 302 302 302 302 302 302", "200 302 302 302 302 302 302"),
    "logout/": (NEVER, TURNED),
    "account/": (OWN_PAGE, OWN_PAGE),
    "account/password/": (OWN_PAGE, OWN_PAGE),
    "account/project/": (NO_SUCH_METHOD, TURNED),
    "catalog/": (OWN_PAGE, NO_SUCH_METHOD),
    "catalog/regions/<int:region_id>/": (MEMBERS, NO_SUCH_METHOD),
    "catalog/samples/<int:sample_id>/picture/<slug:modality>/<slug:view>.png": (MEMBERS, NO_SUCH_METHOD),
    "catalog/samples/<int:sample_id>/values/<slug:modality>.bin": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/": (OWN_PAGE, NO_SUCH_METHOD),
    "campaigns/new/": ("302 404 200 404 404 200 200", "302 404 200 404 404 200 200"),
    "campaigns/preferences/": (OWN_PAGE, NO_SUCH_METHOD),
    "campaigns/preferences/save/": (NEVER, "401 400 400 400 400 400 400"),  # an empty body is no JSON
    "campaigns/<int:campaign_id>/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/open/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/close/": (NO_SUCH_METHOD, CURATORS_ACT),
    "campaigns/<int:campaign_id>/vote/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/claims/": (NEVER, PROGRAMS_OF_MEMBERS),
    "campaigns/<int:campaign_id>/votes/": (NEVER, NOBODY_HERE),
    "campaigns/<int:campaign_id>/history/": (PROGRAMS_OF_MEMBERS, NEVER),
    "campaigns/<int:campaign_id>/sessions/": (NEVER, PROGRAMS_OF_MEMBERS),
    "campaigns/<int:campaign_id>/sessions/<int:session_id>/pause/": (NEVER, "401 404 404 404 200 404 404"),
    "campaigns/<int:campaign_id>/sessions/<int:session_id>/resume/": (NEVER, "401 404 404 404 200 404 404"),
    "campaigns/<int:campaign_id>/sessions/<int:session_id>/end/": (NEVER, "401 404 404 404 200 404 404"),
    "campaigns/<int:campaign_id>/consensus/": (MEMBERS, NO_SUCH_METHOD),
    "campaigns/<int:campaign_id>/consensus/<int:run_id>/<slug:kind>.csv": (MEMBERS, NO_SUCH_METHOD),
    "releases/": (OWN_PAGE, NO_SUCH_METHOD),
    "releases/from/<int:run_id>/": (CURATORS, "302 404 404 404 403 400 400"),
    "releases/<int:version_id>/": (MEMBERS, NO_SUCH_METHOD),
    "releases/<int:version_id>/export/<slug:exporter>/": (NO_SUCH_METHOD, CURATORS_ACT),
    "releases/exports/<int:export_id>/<int:number>/": (CURATORS, NO_SUCH_METHOD),
    "training/": (OWN_PAGE, NO_SUCH_METHOD),
    "training/start/<int:version_id>/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/<int:run_id>/": (MEMBERS, NO_SUCH_METHOD),
    "training/<int:run_id>/progress/": ("302 404 404 404 286 286 286", NO_SUCH_METHOD),
    "training/<int:run_id>/cancel/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/<int:run_id>/<slug:table>.csv": (MEMBERS, NO_SUCH_METHOD),
    "training/<int:run_id>/map/": (NO_SUCH_METHOD, CURATORS_ACT),
    "training/maps/<int:map_id>/": (MEMBERS, NO_SUCH_METHOD),
    "training/maps/<int:map_id>/<slug:layer>.png": (MEMBERS, NO_SUCH_METHOD),
    "training/maps/<int:map_id>/<slug:part>.tif": (MEMBERS, NO_SUCH_METHOD),
    "jobs/": (OWN_PAGE, NO_SUCH_METHOD),
    "jobs/<uuid:job_id>/cancel/": (NO_SUCH_METHOD, CURATORS_ACT),
    "api/v1/openapi.json": (PUBLIC, PUBLIC),
    "api/v1/docs": (PUBLIC, PUBLIC),
    "api/v1/campaigns": (PROGRAMS, NEVER),
    "api/v1/campaigns/<int:campaign_id>": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/samples": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/next": (NEVER, PROGRAMS_OF_MEMBERS),
    "api/v1/campaigns/<int:campaign_id>/votes": (NOBODY_HERE, NOBODY_HERE),
    "api/v1/campaigns/<int:campaign_id>/votes/own": (PROGRAMS_OF_MEMBERS, NEVER),
    "api/v1/campaigns/<int:campaign_id>/consensus": (NOBODY_HERE, NEVER),
    "api/v1/campaigns/<int:campaign_id>/runs": (NOBODY_HERE, NEVER),
    "api/v1/campaigns/<int:campaign_id>/runs/<int:run_id>/labels": (NOBODY_HERE, NEVER),
    "api/v1/versions": (PROGRAMS, NEVER),
    "api/v1/versions/<int:version_id>": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/versions/<int:version_id>/exports": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/exports/<int:export_id>/files/<int:number>": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/runs": (PROGRAMS, "401 404 404 404 403 201 201"),
    "api/v1/runs/<int:run_id>": (PROGRAMS_OF_CURATORS, NEVER),
    "api/v1/runs/<int:run_id>/cancel": (NEVER, PROGRAMS_OF_CURATORS),
    "api/v1/": (NOTHING, NOTHING),
    "^api(?:/.*)?$": (NOTHING, NOTHING),
}


class World:
    """One project with everything in it, and addresses of each thing by the name of a route's parameter."""

    def __init__(self, folder: Path) -> None:
        self.project = given.project(CANARY)
        self.version = given.version(self.project, name=CANARY)
        self.consensus = self.version.consensus_run
        self.region = self.consensus.rows.first().sample.region
        self.open = given.campaign(self.project, count=2, name=f"{CANARY} open")
        self.export = releases.start_export(version=self.version, exporter="votes_csv", by=None)
        given.work(self.export.job, releases.execute_export)
        self.run = training.start_run(version=self.version, task="lcz", by=None, name=f"{CANARY} run")
        event = {"event": "step", "step": 1, "loss": 2.0, "accuracy": 0.1}
        Run.objects.filter(pk=self.run.pk).update(state=RunState.FAILED, events=[event])
        self.map = self._draw_map(folder)
        self.job = enqueue("geoquorum.queue.jobs.ping", project=self.project)
        self.people = {
            "stranger": given.member(given.project(), "expert"),
            "elsewhere": given.member(given.project(), "admin"),
            "staff": given.user(is_staff=True, is_superuser=True),
            **{role: given.member(self.project, role) for role in ("expert", "curator", "admin")},
        }
        # A handler looks through all static files at its first request: two serve every browser here.
        self.handlers = {is_strict: Client(enforce_csrf_checks=is_strict).handler for is_strict in (False, True)}
        expert = expert_of(user=self.people["expert"], project=self.project)
        self.session = campaigns.start_session(campaign=self.open, expert=expert)
        self.cookies = {name: self._sign_in(user) for name, user in self.people.items()}

    def _draw_map(self, folder: Path) -> MapProduct:
        scheme = schemes.find("lcz17")
        index = np.arange(12 * 12).reshape(12, 12) % len(scheme)
        place = (100.0, 0.0, 500_000.0, 0.0, -100.0, 5_300_000.0)
        files = maps.write_map(folder / "map.tif", index, np.full((12, 12), 0.5), scheme, 32632, place)
        return MapProduct.objects.create(
            run=self.run, region=self.region, state=RunState.DONE, uri=str(files.path), sha256="0" * 64,
            confidence_uri=str(files.confidence_path), bounds=[9, 47, 9.1, 47.1],
            summary={"scheme": scheme.name, "pixel_m": 100, "shares": {}, "agreement": None, "reference_uri": ""},
        )  # fmt: skip

    @staticmethod
    def _sign_in(user: Any) -> str:
        client = Client()
        client.force_login(user)
        return client.cookies["sessionid"].value

    def client(self, who: str, *, is_strict: bool = False, **options: Any) -> Client:
        """A browser of its own, in which this person is signed in; a strict one lacks the token that posts need."""
        client = Client(**options)
        client.handler = self.handlers[is_strict]
        if who in self.cookies:
            client.cookies["sessionid"] = self.cookies[who]
        return client

    def address(self, route: str) -> str:
        """The route with this world's things put in."""
        values = {
            "region_id": self.region.pk,
            "sample_id": Sample.objects.filter(region=self.region).order_by("pk").first().pk,
            "modality": "sentinel2",
            "view": "true_colour",
            "campaign_id": self.consensus.campaign_id if "consensus" in route else self.open.pk,
            "session_id": self.session.pk,
            "kind": "samples",
            "run_id": self.consensus.pk if "consensus" in route or "from/" in route else self.run.pk,
            "version_id": self.version.pk,
            "exporter": "votes_csv",
            "export_id": self.export.pk,
            "number": 0,
            "table": "curves",
            "map_id": self.map.pk,
            "layer": "classes",
            "part": "classes",
            "job_id": self.job.pk,
        }
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(values[found[1]]), route)

    def body(self, route: str) -> dict[str, Any]:
        """What is posted there: enough to be taken, where it may be."""
        return {
            "training/start/<int:version_id>/": {"task": "lcz"},
            "training/<int:run_id>/map/": {"region": self.region.pk},
            "api/v1/runs": {"version": self.version.pk, "task": "lcz"},
            "api/v1/campaigns/<int:campaign_id>/next": {"count": 1},
            "campaigns/<int:campaign_id>/votes/": {
                "assignment": 2**62, "client_uuid": str(uuid.uuid4()), "code": "A",
            },
            "api/v1/campaigns/<int:campaign_id>/votes": {
                "assignment": 2**62, "client_uuid": str(uuid.uuid4()), "code": "A",
            },
        }.get(route, {})  # fmt: skip

    def ask(self, who: str, method: str, route: str, **options: Any) -> Any:
        """The answer to one request, with its content read."""
        client, body = self.client(who, **options), self.body(route)
        if method == "GET":
            answer = client.get(self.address(route))
        elif route.startswith("api/") or "/claims/" in route or "/votes" in route or "/sessions/" in route:
            answer = client.post(self.address(route), json.dumps(body), content_type="application/json")
        else:
            answer = client.post(self.address(route), body)
        answer.whole = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return answer


@pytest.fixture(scope="module")
def world(shared_rows: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("maps"))


def list_routes(resolver: URLResolver | None = None, start: str = "") -> Iterator[str]:
    """Every address pattern but those of Django's administration."""
    for pattern in (resolver or get_resolver()).url_patterns:
        place = start + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield place
        elif place != "admin/":
            yield from list_routes(pattern, place)


def count_rows() -> Counter[str]:
    """Rows of every table; sessions are Django's own."""
    models = [model for model in apps.get_models() if model._meta.label != "sessions.Session"]
    return Counter({model._meta.label: model.objects.count() for model in models})


@contextmanager
def undone() -> Iterator[None]:
    """What is done inside is undone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


CASES = [(route, method) for route in dict.fromkeys(list_routes()) for method in ("GET", "POST")]
POSTS = [route for route, (_get, post) in TABLE.items() if post not in (NEVER, NOTHING, NO_SUCH_METHOD, PUBLIC)]
GETS = [route for route, (get, _post) in TABLE.items() if get.endswith(" 200")]
ARTEFACTS = [route for route in GETS if route.endswith((".png", ".bin", ".csv", ".tif")) or "exports/" in route]
# What looking twice may leave: two lines in the record of what was handed out; the pseudonym of who votes for the
# first time.
LEFT_BY_LOOKING = {
    "releases/exports/<int:export_id>/<int:number>/": Counter({"accounts.Event": 2}),
    "campaigns/<int:campaign_id>/vote/": Counter({"accounts.Expert": 1}),
    "campaigns/<int:campaign_id>/history/": Counter({"accounts.Expert": 1}),
}
OF_OTHERS = [route for route, (get, _post) in TABLE.items() if get.split()[1] == "404" and get != NOTHING]


def test_every_route_is_listed_and_every_listed_route_exists():
    assert set(TABLE) == set(list_routes())


def test_every_operation_of_the_api_is_listed():
    operations = {
        (path.lstrip("/"), verb.upper()) for path, verbs in api.get_openapi_schema()["paths"].items() for verb in verbs
    }
    plain = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route): row for route, row in TABLE.items()}
    for path, verb in operations:
        assert verb in ("GET", "POST"), "a new verb needs a column of its own"
        assert plain[path][verb == "POST"] not in (NEVER, NOTHING), (path, verb)


@pytest.mark.parametrize(("route", "method"), CASES)
def test_each_route_answers_each_person_as_listed(world, route, method):
    assert route in TABLE, f"{route} is new: say in TABLE who may do what there"
    expected = dict(zip(WHO, map(int, TABLE[route][method == "POST"].split()), strict=True))
    found = {}
    for who in WHO:
        with undone():
            found[who] = world.ask(who, method, route).status_code
    assert found == expected


@pytest.mark.parametrize("route", GETS)
def test_a_stranger_reads_nothing_of_others(world, route):
    for who in ("stranger", "elsewhere", "staff"):
        page = world.ask(who, "GET", route).whole
        assert CANARY.encode() not in page
        assert CANARY.lower().encode() not in page


@pytest.mark.parametrize("route", ARTEFACTS)
def test_no_byte_of_an_artefact_reaches_the_wrong_people(world, route):
    content = world.ask("curator", "GET", route).whole
    assert len(content) > 20
    for who in OUTSIDE:
        answer = world.ask(who, "GET", route)
        assert answer.status_code in (302, 404)
        assert content not in answer.whole
        assert not answer.whole or answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("route", GETS)
def test_looking_changes_no_rows(world, route):
    """Twice, by someone who may see all."""
    before = count_rows()
    for _ in range(2):
        world.ask("curator", "GET", route)
    assert count_rows() - before == LEFT_BY_LOOKING.get(route, Counter())
    assert before - count_rows() == Counter()


@pytest.mark.parametrize("route", POSTS)
def test_a_post_without_its_token_is_refused_and_changes_nothing(world, route):
    before = count_rows()
    for who in ("curator", "admin"):
        assert world.ask(who, "POST", route, is_strict=True).status_code in (302, 403), route
    assert count_rows() == before


@pytest.mark.parametrize("who", ["anonymous", "elsewhere", "staff"])
def test_outsiders_change_nothing(world, who):
    before = count_rows()
    for route in POSTS:
        if "account" in route or route in ("logout/", "login/"):
            continue
        assert world.ask(who, "POST", route).status_code not in (201, 204), route
    assert count_rows() == before


@pytest.mark.parametrize("role", ["curator", "admin"])
def test_things_of_another_project_cannot_be_named_in_a_body(world, role):
    """Somebody who may do everything at home names a region, a version and samples from elsewhere."""
    home = given.project()
    client = Client()
    client.force_login(given.member(home, role))
    before = count_rows()
    foreign = {"version": world.version.pk, "task": "lcz"}
    assert client.post("/api/v1/runs", json.dumps(foreign), content_type="application/json").status_code == 404
    chosen = {"name": "Mine", "project": home.pk, "region": world.region.pk, "regions": [world.region.pk], "quota": 3}
    answer = client.post("/campaigns/new/", chosen | {"question": "lcz_patch", "scheme": "lcz17"})
    assert answer.status_code in (200, 400, 404)
    assert CANARY.encode() not in answer.content
    assert count_rows() == before


def test_a_map_cannot_be_asked_for_a_region_of_another_project(world):
    foreign = given.region(given.project(), "Foreign")
    before = count_rows()
    client = world.client("curator")
    assert client.post(f"/training/{world.run.pk}/map/", {"region": foreign.pk}).status_code == 404
    assert count_rows() == before


def test_a_project_that_is_not_ones_own_cannot_be_chosen(world):
    client = world.client("stranger")
    client.post("/account/project/", {"project": world.project.slug})
    assert CANARY.encode() not in client.get("/").content
    assert not client.session.get("project")


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "\\\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_to_another_site(world, target):
    with undone():
        answer = world.client("expert").post("/account/project/", {"project": "", "next": target})
        assert answer.status_code == 302
        assert answer.url == "/"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1@evil.example"])
def test_another_host_name_is_refused(world, host):
    assert world.client("anonymous", headers={"host": host}).get("/login/").status_code == 400


@pytest.mark.parametrize("number", [0, 2**31, 2**63, 10**30])
def test_numbers_that_no_row_has_are_not_found(world, number):
    for route in OF_OTHERS:
        if route.endswith("/") and route.count("<int:") == 1:
            address = "/" + re.sub(r"<int:\w+>", str(number), route)
            assert world.client("admin").get(address).status_code == 404, address


def test_the_administration_is_for_staff_only(world):
    for who in ("anonymous", "stranger", "expert", "curator", "admin"):
        for place in ("/admin/", "/admin/catalog/region/", "/admin/campaigns/vote/"):
            answer = world.client(who).get(place)
            assert answer.status_code in (302, 404), (who, place)
            assert CANARY.encode() not in answer.content
