"""Values that no column can hold are refused before or after the view, by everybody's door, and change nothing."""

import itertools
import json

import pytest
from django.db import transaction

from geoquorum.accounts.models import Event
from geoquorum.campaigns import access
from geoquorum.campaigns.api import campaigns
from tests.everything import World, digest_rows, is_json, list_routes, undone
from tests.form_fields import fill_forms
from tests.listening import addresses_inside, listen

pytestmark = pytest.mark.django_db
ROUTES = list(dict.fromkeys(list_routes()))
JSON = {"GET": "", "POST": "application/json"}
LOOKED_AT_FIRST = (302, 400, 401, 404, 405)  # by the address, the method or the person


@pytest.fixture(scope="module")
def world(shared_rows: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("maps"))


def test_a_nul_in_the_query_of_any_page_is_refused(world):
    before = digest_rows()
    for route in ROUTES:
        address = world.address(route)
        answer = world.client("curator").get(f"{address}{'&' if '?' in address else '?'}page=%00&project=%00")
        assert answer.status_code in LOOKED_AT_FIRST[1:], (route, answer.status_code)
        assert not answer.streaming, route
    assert digest_rows() == before


def test_a_nul_in_any_form_is_refused(world):
    before = digest_rows()
    for route in ROUTES:
        if not is_json(route):
            fields = world.body(route) | {"reason": "because\0it is so", "project": "\0", "name": "\0"}
            answer = world.client("curator").post(world.address(route), fields)
            assert answer.status_code in LOOKED_AT_FIRST[1:], (route, answer.status_code)
    assert digest_rows() == before


def test_a_nul_in_an_address_of_the_api_is_a_problem(world):
    answer = world.client("curator").post("/api/v1/projects/a%00b/samples/import")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("method", "address", "kind"),
    [
        ("GET", "/campaigns/1/history/", "text/html"),
        ("POST", "/campaigns/1/claims/", "application/json"),
        ("GET", "/api/v1/campaigns", "application/problem+json"),
    ],
)
def test_a_value_that_only_the_database_refuses_is_no_fault_of_the_server(world, monkeypatch, method, address, kind):
    """Whatever a check overlooked: 400, one sentence, and no row of the same transaction."""

    def overlook(*_people, **_fields):
        with transaction.atomic():
            Event.objects.create(action="before")
            Event.objects.create(action="a" * 61)

    monkeypatch.setattr(access, "look_as_expert", overlook)
    monkeypatch.setattr(access, "find_as_expert", overlook)
    monkeypatch.setattr(campaigns, "projects_of", overlook)
    before = digest_rows()
    answer = world.client("expert").generic(method, address, b"{}" * (method == "POST"), content_type=JSON[method])
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (400, kind)
    words = "Nothing was changed" if kind == "text/html" else "nothing was stored"
    assert words in answer.content.decode()
    assert digest_rows() == before


@pytest.mark.slow
def test_an_address_in_any_form_or_body_is_called_by_nobody(world):
    """On row B3: every form of every page, and every operation of the API, with one of twenty-five addresses in it."""
    sent = 0
    with listen() as listener:
        urls = itertools.cycle(addresses_inside(listener.port))
        for route in ROUTES:
            url = next(urls)
            address = world.address(route)
            if is_json(route):
                words = dict.fromkeys(("name", "reason", "label", "text", "uri", "url", "modality", "scheme"), url)
                with undone():
                    world.client("curator").post(address, json.dumps(world.body(route) | words), JSON["POST"])
                sent += 1
                continue
            page = world.client("curator").get(address)
            if page.streaming or not page.get("Content-Type", "").startswith("text/html"):
                continue
            for action, fields in fill_forms(page.content.decode(), url):
                with undone():
                    world.client("curator").post(action or address, fields)
                sent += 1
        assert listener.heard == []
        listener.call()
        assert len(listener.heard) == 1, "the listener must be able to hear"
    assert sent > 60
