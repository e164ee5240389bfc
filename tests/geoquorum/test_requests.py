"""What a request may do by itself: looking changes nothing, posts need their token, nobody is led elsewhere."""

import re
from collections import Counter

import pytest
from django.test import Client

from tests import given
from tests.everything import World, count_rows, digest_rows, list_operations, list_routes

pytestmark = pytest.mark.django_db
ROUTES = list(dict.fromkeys(list_routes()))
# The one thing that looking may leave: a line in the record of who took a file out. Whoever takes out votes or a
# version must leave a trace, also with a plain link or curl.
TAKEN_OUT = ("releases/exports/<int:export_id>/<int:number>/", "api/v1/exports/<int:export_id>/files/<int:number>")
RECORDED = (*TAKEN_OUT, "api/v1/campaigns/<int:campaign_id>/votes.<form>")
# Figures that follow from a closed run's votes are computed when somebody first looks, and kept beside the run.
KEEPING = ("campaigns_consensusrun",)
ELSEWHERE = (
    "https://evil.example/", "//evil.example/", "///evil.example", "\\\\evil.example", "/\\evil.example",
    "javascript:alert(1)", "http:evil.example", "https:/evil.example", "https://testserver@evil.example/",
    "https://testserver.evil.example/",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(shared_rows: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("maps"))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["curator", pytest.param("newcomer", marks=pytest.mark.slow), "anonymous"])
def test_looking_twice_changes_nothing(world, who):
    """Every address, by someone who may see all, by a newcomer who never voted, and by nobody."""
    rows, digest = count_rows(), digest_rows()
    for route in ROUTES:
        for _ in range(2):
            assert world.ask(who, "GET", route).status_code < 500
    recorded = 2 * len(RECORDED) if who == "curator" else 0
    assert count_rows() - rows == Counter({"accounts.Event": recorded} if recorded else {})
    changed = {table for table, value in digest_rows().items() if value != digest[table]}
    assert changed <= {*KEEPING} | ({"accounts_event"} if recorded else set())


def test_a_post_without_its_token_is_refused_and_changes_nothing(world):
    before = digest_rows()
    for route in ROUTES:
        for who in ("curator", "admin"):
            answer = world.ask(who, "POST", route, is_strict=True)
            is_sent_home = route == "login/" and answer.status_code == 302 and answer.url == "/"
            assert answer.status_code in (403, 404, 405) or is_sent_home, route
            assert answer.status_code == 403 or not is_posted(route), route
    assert digest_rows() == before


def is_posted(route):
    """Whether the API takes a POST there; the pages' posts are refused before anybody looks at the address."""
    return (route, "POST") in list_operations() if route.startswith(("api/", "^api")) else route != "login/"


def test_a_post_without_its_token_is_refused_to_a_session_but_not_to_a_token_that_has_the_scope(world):
    address = f"/api/v1/campaigns/{world.open.pk}/next"
    strict = world.client("curator", is_strict=True)
    answer = strict.post(address, "{}", content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    strict.defaults["HTTP_AUTHORIZATION"] = f"Bearer {world.unscoped['read']}"
    assert strict.post(address, "{}", content_type="application/json").status_code == 200


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_sent_to_another_site(world, target):
    stays = re.compile(r"/($|[^/\\])")
    for address, fields in (
        ("/account/project/", {"project": "", "next": target}),
        ("/login/", {"next": target}),
        ("/logout/", {"next": target}),
    ):
        answer = world.client("stranger").post(address, fields)
        assert answer.status_code == 302
        assert stays.match(answer.url), answer.url
    signing_in = {"username": world.people["stranger"].username, "password": given.PASSWORD, "next": target}
    assert Client().post("/login/", signing_in).url == "/"
    assert Client().post(f"/login/?next={target}", signing_in | {"next": ""}).url == "/"
    page = Client().get("/login/", {"next": target})
    assert f'href="{target}"' not in page.content.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "localhost.evil.example"},
        {"host": "127.0.0.1@evil.example"},
        {"host": "localhost:80:80"},
    ],
)
@pytest.mark.parametrize("address", ["/login/", "/api/v1/campaigns"])
def test_another_host_name_is_refused(headers, address):
    answer = Client(headers=headers).get(address)
    assert answer.status_code == 400
    assert b"evil" not in answer.content


def test_a_forwarded_host_is_not_believed():
    answer = Client(headers={"x-forwarded-host": "evil.example"}).get("/campaigns/")
    assert answer.status_code == 302
    assert "evil" not in answer.url


def test_every_page_and_answer_forbids_framing_sniffing_and_foreign_scripts(world):
    for route in (*ROUTES, "admin/", "admin/login/"):
        for who in ("admin", "anonymous"):
            answer = world.ask(who, "GET", route)
            policy = answer["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy, route
            assert "unsafe" not in policy, route
            assert "script-src 'self'" in policy or policy.startswith("default-src 'none'"), route
            assert answer["X-Frame-Options"] == "DENY", route
            assert answer["X-Content-Type-Options"] == "nosniff", route
