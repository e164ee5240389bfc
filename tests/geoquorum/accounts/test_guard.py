"""Password guessing: five wrong ones in five minutes for an account, on every door, whoever tries and from where."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from geoquorum.accounts import guard
from geoquorum.accounts.forms import REFUSED
from geoquorum.accounts.models import LoginTry
from tests import given

WRONG = "not the passphrase at all"


def sign_in(client, name, password, door="/login/", **extra):
    """Whether this name and password open a door."""
    client.post(door, {"username": name, "password": password}, **extra)
    return "_auth_user_id" in client.session


def let_pass(minutes):
    """The clock, moved by moving what it is compared with."""
    LoginTry.objects.update(last_at=timezone.now() - timedelta(minutes=minutes))


@pytest.mark.django_db
@pytest.mark.parametrize("door", ["/login/", "/admin/login/"])
def test_after_five_wrong_passwords_the_right_one_opens_no_door_for_five_minutes(door):
    ann = given.user("ann", is_staff=True)
    for _ in range(5):
        assert not sign_in(Client(), "ann", WRONG, door)
    assert not sign_in(Client(), "ann", given.PASSWORD, "/login/")
    assert not sign_in(Client(), "ann", given.PASSWORD, "/admin/login/")
    assert authenticate(username="ann", password=given.PASSWORD) is None
    let_pass(4.9)
    assert not sign_in(Client(), "ann", given.PASSWORD, door)
    let_pass(5.01)
    assert sign_in(Client(), "ann", given.PASSWORD, door)
    assert authenticate(username="ann", password=given.PASSWORD) == ann


@pytest.mark.django_db
def test_doors_and_addresses_are_counted_together():
    given.user("ann", is_staff=True)
    for number in range(5):
        door = ("/login/", "/admin/login/")[number % 2]
        told = {"HTTP_X_FORWARDED_FOR": f"10.9.8.{number}", "REMOTE_ADDR": f"192.0.2.{number}"}
        assert not sign_in(Client(), "ann", WRONG, door, **told)
    other = {"HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_X_REAL_IP": "203.0.113.9", "REMOTE_ADDR": "203.0.113.9"}
    assert not sign_in(Client(), "ann", given.PASSWORD, **other)


@pytest.mark.django_db
def test_refused_tries_keep_the_victim_out_no_longer():
    given.user("ann")
    for _ in range(5):
        sign_in(Client(), "ann", WRONG)
    let_pass(4)
    for _ in range(20):
        sign_in(Client(), "ann", WRONG)
    assert LoginTry.objects.get().last_at < timezone.now() - timedelta(minutes=3.9)


@pytest.mark.django_db
def test_no_five_minutes_hold_more_than_five_tries():
    assert [guard.count_try("ann") for _ in range(4)] == [True] * 4
    let_pass(4.9)
    assert [guard.count_try("ann") for _ in range(3)] == [True, False, False]
    let_pass(5.1)
    assert [guard.count_try("ann") for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_do_not_pass_together():
    def count(_number):
        try:
            return guard.count_try("ann")
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(count, range(64))) == 5


@pytest.mark.django_db
def test_one_account_s_tries_are_not_another_s_and_the_right_password_forgives():
    given.user("ann"), given.user("ben")
    for _ in range(4):
        assert not sign_in(Client(), "ann", WRONG)
    assert sign_in(Client(), "ann", given.PASSWORD)
    assert not LoginTry.objects.exists()
    for _ in range(5):
        sign_in(Client(), "ann", WRONG)
    assert sign_in(Client(), "ben", given.PASSWORD)


@pytest.mark.django_db
def test_names_nobody_has_are_answered_and_counted_like_those_that_exist():
    given.user("ann"), given.user("gone", is_active=False)
    told = {}
    for name in ("ann", "nobody", "gone"):
        pages = [Client().post("/login/", {"username": name, "password": WRONG}).content.decode() for _ in range(7)]
        told[name] = [without_token(page).replace(f'value="{name}"', "") for page in pages]
        assert all(str(REFUSED) in page for page in pages)
    assert told["ann"] == told["nobody"] == told["gone"]
    assert len(set(told["ann"])) == 1, "being locked out reads differently from being wrong"


def without_token(page):
    """A page without what is drawn anew for each request."""
    start = page.index("csrfmiddlewaretoken")
    return page[:start] + page[page.index(">", start) :]


@pytest.mark.django_db
def test_the_old_password_on_the_change_page_is_guarded_too(client):
    client.force_login(given.user("ann"))
    new = "another long enough passphrase"
    for old in [WRONG] * 5 + [given.PASSWORD]:
        page = client.post("/account/password/", {"old_password": old, "new_password1": new, "new_password2": new})
        assert page.status_code == 200, "the password was changed"
    assert not sign_in(Client(), "ann", given.PASSWORD)


@pytest.mark.django_db
def test_counts_are_swept_and_hold_neither_names_nor_addresses():
    sign_in(Client(), "ann", WRONG)
    row = LoginTry.objects.values().get()
    assert "ann" not in str(row)
    assert set(row) == {"digest", "tries", "last_at"}
    assert guard.forget_tries() == 0
    let_pass(6)
    assert guard.forget_tries() == 1


@pytest.mark.django_db
def test_a_vote_pays_nothing_for_guard_and_tokens(client):
    project = given.project()
    campaign = given.campaign(project, count=2)
    client.force_login(given.member(project))
    with CaptureQueriesContext(connection) as asked:
        assert (
            client.post(f"/campaigns/{campaign.pk}/claims/", "{}", content_type="application/json").status_code == 200
        )
    assert asked.captured_queries
    assert not any(name in query["sql"] for query in asked for name in ("logintry", "accounts_token"))
