"""One project with everything in it, people of every kind, and requests to any route by any of them."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from fusion import maps
from fusion import scheme as schemes
from geoquorum.accounts import tokens
from geoquorum.accounts.doors import Bearer
from geoquorum.accounts.models import Token
from geoquorum.accounts.services import expert_of
from geoquorum.api import api
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import Comment, Gold, Standing, Thread
from geoquorum.catalog.files import take_file
from geoquorum.queue.services import enqueue
from geoquorum.releases import services as releases
from geoquorum.training import services as training
from geoquorum.training.benchmarks import create_benchmark, publish_figure
from geoquorum.training.models import MapProduct, Run, RunState
from tests import given
from tests.geoquorum.training import predicting

CANARY = "Canary7f3a"  # stands in the names of all that strangers must not see
BENCHMARK = {"name": f"{CANARY} benchmark", "task": "lcz", "metric": "oa", "protocol": "same_cities", "resamples": 100}
NOTHING_CHANGES = ("GET", "HEAD", "OPTIONS")
QUERIES = {"api/v1/campaigns/<int:campaign_id>/consensus": "?method=majority"}
CLOSED = ("consensus", "runs", "disputes", "samples/<", "v1/campaigns/<int:campaign_id>/votes")
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


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
        np.save(folder / "array.npy", np.arange(12.0).reshape(3, 4))
        [self.asset] = take_file(region=self.region, path=folder / "array.npy").assets
        self.job = enqueue("geoquorum.queue.jobs.ping", project=self.project)
        self.labels = predicting.version(self.project, folder, test=20, per_block=5, name=f"{CANARY}-labels")
        self.benchmark = create_benchmark(version=self.labels, by=None, **BENCHMARK)
        publish_figure(benchmark=self.benchmark, name=CANARY, value=0.5, source=CANARY, by=None)
        self.people = {
            "stranger": given.member(given.project(), "expert"),
            "neighbour": given.member(given.campaign(given.project(), count=2).project, "curator"),
            "elsewhere": given.member(given.project(), "admin"),
            "staff": given.user(is_staff=True, is_superuser=True),
            **{role: given.member(self.project, role) for role in ("expert", "curator", "admin")},
            "newcomer": given.member(self.project),
        }
        self.token, _secret = tokens.make_token(
            user=self.people["expert"], project=self.project, name=CANARY, scopes=["read"]
        )
        # A handler looks through all static files at its first request: two serve every browser here.
        self.handlers = {is_strict: Client(enforce_csrf_checks=is_strict).handler for is_strict in (False, True)}
        expert = expert_of(user=self.people["expert"], project=self.project)
        self.session = campaigns.start_session(campaign=self.open, expert=expert)
        row = self.consensus.rows.order_by("sample").first()
        thread = Thread.objects.create(campaign=self.consensus.campaign, sample=row.sample, raised_by=expert)
        self.comment = Comment.objects.create(
            campaign=thread.campaign, sample=row.sample, expert=expert, thread=thread, text=CANARY
        )
        self.gold = Gold.objects.create(campaign=self.open, sample=row.sample, code="6", use="monitor")
        self.standing = Standing.objects.create(campaign=self.open, expert=expert)
        self.cookies = {name: self._sign_in(user) for name, user in self.people.items()}
        self.unscoped = {scope: self._make_unscoped(scope) for scope in Token.Scope.values}

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

    def _make_unscoped(self, scope: str) -> str:
        """The project administrator's token with every scope but this one."""
        others = [other for other in Token.Scope.values if other != scope]
        return tokens.make_token(user=self.people["admin"], project=self.project, name=CANARY, scopes=others)[1]

    def client(self, who: str, *, is_strict: bool = False, **options: Any) -> Client:
        """A browser of its own, in which this person is signed in; a strict one lacks the token that posts need."""
        client = Client(**options)
        client.handler = self.handlers[is_strict]
        if who in self.cookies:
            client.cookies["sessionid"] = self.cookies[who]
        return client

    @cached_property
    def things(self) -> dict[str, Any]:
        """This world's thing by the name of a route's parameter, where no route says otherwise."""
        return {
            "region_id": self.region.pk,
            "scene_id": self.region.scenes.order_by("pk").first().pk,
            "asset_id": self.asset.pk,
            "sample_id": self.comment.sample_id,
            "modality": "sentinel2",
            "view": "true_colour",
            "cell": self.comment.sample.cell,
            "session_id": self.session.pk,
            "form": "csv",
            "slug": self.project.slug,
            "version_id": self.version.pk,
            "exporter": "votes_csv",
            "export_id": self.export.pk,
            "number": 0,
            "table": "curves",
            "map_id": self.map.pk,
            "layer": "classes",
            "part": "classes",
            "job_id": self.job.pk,
            "token_id": self.token.pk,
            "comment_id": self.comment.pk,
            "gold_id": self.gold.pk,
            "expert_id": self.standing.expert_id,
            "benchmark_id": self.benchmark.pk,
        }

    def address(self, route: str) -> str:
        """The route with this world's things put in."""
        values = self.things | {
            "campaign_id": self.consensus.campaign_id if any(part in route for part in CLOSED) else self.open.pk,
            "kind": "matrix" if "agreement" in route else "samples",
            "run_id": self.consensus.pk if "campaigns/" in route or "from/" in route else self.run.pk,
        }
        for name in PARAMETER.findall(route):
            assert name in values, f"say in World.things of {__file__} which thing <{name}> of {route!r} is"
        return "/" + PARAMETER.sub(lambda found: str(values[found[1]]), route.lstrip("^")) + QUERIES.get(route, "")

    def body(self, route: str) -> dict[str, Any]:
        """What is posted there: enough to be taken, where it may be."""
        ballot = {"assignment": 2**62, "client_uuid": str(uuid.uuid4()), "code": "A"}
        return {
            "training/start/<int:version_id>/": {"task": "lcz"},
            "training/<int:run_id>/map/": {"region": self.region.pk},
            "api/v1/runs/<int:run_id>/maps": {"region": self.region.pk},
            "campaigns/<int:campaign_id>/votes/": ballot,
            "campaigns/<int:campaign_id>/qualify/votes/": ballot,
            "api/v1/runs": {"version": self.version.pk, "task": "lcz"},
            "api/v1/runs/seeds": {"version": self.version.pk, "task": "lcz", "seeds": [1, 2]},
            "api/v1/searches": {"version": self.version.pk, "task": "lcz", "space": {"epochs": {"low": 1, "high": 2}}},
            "api/v1/runs/<int:run_id>/ask": {"samples": 1},
            "api/v1/runs/<int:run_id>/priority": {"priority": 0},
            "api/v1/benchmarks": BENCHMARK | {"version": self.labels.pk},
            "api/v1/benchmarks/<int:benchmark_id>/submissions": {"name": f"{CANARY} rows", "rows": []},
            "api/v1/benchmarks/<int:benchmark_id>/submissions/run": {"run": self.run.pk},
            "api/v1/campaigns/<int:campaign_id>/next": {"count": 1},
            "api/v1/campaigns/<int:campaign_id>/votes": ballot,
        }.get(route, {})

    def ask(self, who: str, method: str, route: str, **options: Any) -> Any:
        """The answer to one request, with its content read."""
        client, body, address = self.client(who, **options), self.body(route), self.address(route)
        if who == "token":
            client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {self.unscoped[find_scope(route, method)]}"
        if method == "GET":
            answer = client.get(address)
        elif is_json(route) or method != "POST":
            answer = client.generic(method, address, json.dumps(body), content_type="application/json")
        else:
            answer = client.post(address, body)
        answer.whole = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return answer


def is_json(route: str) -> bool:
    """Whether bodies posted there are JSON."""
    return route.startswith("api/") or any(part in route for part in ("/claims/", "/votes", "/sessions/"))


def list_routes(resolver: URLResolver | None = None, start: str = "") -> Iterator[str]:
    """Every address pattern but those of Django's administration."""
    for pattern in (resolver or get_resolver()).url_patterns:
        place = start + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield place
        elif place != "admin/":
            yield from list_routes(pattern, place)


def list_operations() -> dict[tuple[str, str], Any]:
    """The API's operations by route and verb."""
    found = {}
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            route = "/".join(part for part in ("api/v1", router.prefix.strip("/"), path.strip("/")) if part)
            for operation in view.operations:
                found |= {(re.sub(r"{(\w+:)?(\w+)}", r"<\1\2>", route), verb): operation for verb in operation.methods}
    return found


def find_scope(route: str, method: str) -> str:
    """The scope that a token needs there; any where there is no such operation."""
    operation = list_operations().get((route, method))
    doors = operation.auth_callbacks if operation else ()
    return next((door.scope for door in doors if isinstance(door, Bearer)), Token.Scope.READ)


def count_rows() -> Counter[str]:
    """Rows of every table; sessions are Django's own."""
    models = [model._meta for model in apps.get_models() if model._meta.label != "sessions.Session"]
    counts = (f"SELECT '{meta.label}', count(*) FROM \"{meta.db_table}\"" for meta in models)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(counts))
        return Counter(dict(cursor.fetchall()))


def digest_rows() -> dict[str, str]:
    """A hash over all rows of every table: nothing may change, not even a date."""
    tables = [model._meta.db_table for model in apps.get_models() if model._meta.label != "sessions.Session"]
    with connection.cursor() as cursor:
        digests = {}
        for table in tables:
            cursor.execute(
                f"SELECT md5(coalesce(string_agg(r::text, chr(10) ORDER BY r::text), '')) FROM \"{table}\" r"
            )
            digests[table] = cursor.fetchone()[0]
    return digests


@contextmanager
def undone() -> Iterator[None]:
    """What is done inside is undone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
