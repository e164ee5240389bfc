"""A person's keys and display: kept whole or not at all, the same in every project, never in a vote."""

import json
from typing import Any

import pytest
from django.test import Client

from geoquorum.accounts.models import Expert, User
from geoquorum.accounts.preferences import DEFAULTS, LONGEST_BYTES, read_preferences
from tests import given

pytestmark = pytest.mark.django_db
SAVE = "/campaigns/preferences/save/"
SWAPPED = {"S": "W", "W": "S"}


@pytest.fixture
def person(client: Client) -> User:
    """Somebody with a pseudonym in two projects, signed in."""
    project, other = given.project(), given.project()
    account = given.member(project)
    for one in (project, other):
        given.expert(one, account)
    client.force_login(account)
    return account


def save(client: Client, values: Any) -> Any:
    return client.post(SAVE, json.dumps(values), content_type="application/json")


def test_who_chose_nothing_has_the_defaults(person: User) -> None:
    assert read_preferences(person.pk) == DEFAULTS


def test_choices_are_the_same_in_every_project_and_only_ones_own(client: Client, person: User) -> None:
    stranger = given.expert(given.project(), given.user())
    answer = save(client, {"keys": SWAPPED, "palette": "safe"})
    assert answer.json() == DEFAULTS | {"keys": SWAPPED, "palette": "safe"} == read_preferences(person.pk)
    assert {str(one.preferences) for one in Expert.objects.filter(user=person)} == {
        str({"keys": SWAPPED, "palette": "safe"})
    }
    stranger.refresh_from_db()
    assert stranger.preferences == {}


def test_the_look_is_remembered_for_every_page(client: Client, person: User) -> None:
    save(client, {"theme": "dark", "palette": "safe", "text": "large", "single_keys": False})
    page = client.get("/account/").content.decode()
    assert 'data-theme="dark" data-palette="safe" data-text="large" data-keys="off"' in page


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"colour": "red"},
        {"theme": "blue"},
        {"single_keys": 1},
        {"palette": ["safe"]},
        {"keys": ["S"]},
        {"keys": {"S": "W"}},
        {"keys": {"S": "W", "K": "W", "W": "S"}},
        {"keys": {"S": 3}},
        {"keys": {"S": "Escape", "Escape": "S"}},
        {"keys": {"S": "\ud800", "\ud800": "S"}},
        {"keys": {"S": "\x00", "\x00": "S"}},
        {"keys": {"?": "W", "W": "?"}},
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_and_nothing_is_kept(
    client: Client, person: User, values: Any
) -> None:
    answer = save(client, values)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")
    assert read_preferences(person.pk) == DEFAULTS


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 4000, b"9" * 5000, b'"' + b"a" * LONGEST_BYTES + b'"'])
def test_a_body_that_is_no_json_or_too_long_is_refused(client: Client, person: User, body: bytes) -> None:
    assert client.post(SAVE, body, content_type="application/json").status_code == 400


def test_saving_needs_the_csrf_token(person: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(person)
    assert strict.post(SAVE, "{}", content_type="application/json").status_code == 403


def test_who_has_no_pseudonym_is_told_so(client: Client) -> None:
    client.force_login(given.user())
    assert "no project yet" in save(client, {}).json()["error"]
    assert client.get("/campaigns/preferences/").status_code == 200
