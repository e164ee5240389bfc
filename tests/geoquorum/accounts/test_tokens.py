"""Tokens: shown once, limited to their project, their scopes and their owner's rights; in no log, page or address."""

import json
import logging
import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from fusion.errors import BadInputError
from geoquorum.accounts import tokens
from geoquorum.accounts.models import Membership, Token
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Vote
from tests import given

pytestmark = pytest.mark.django_db
API = "/api/v1"
PAGES = ("/", "/account/", "/campaigns/", "/releases/", "/training/", "/jobs/", "/catalog/", "/admin/")


@pytest.fixture
def project():
    return given.project()


@pytest.fixture
def owner(project):
    return given.member(project, "curator")


def make(owner, project, *scopes, **choices):
    """A token of this owner, as the word that opens."""
    return tokens.make_token(user=owner, project=project, name="script", scopes=scopes or ("read",), **choices)[1]


def ask(secret, path, body=None, **headers):
    """One request of a program without cookies."""
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"} | headers)
    if body is None:
        return client.get(API + path)
    return client.post(API + path, json.dumps(body), content_type="application/json")


def test_a_token_reads_and_votes_without_a_csrf_token_as_its_owner(project, owner):
    campaign = given.campaign(project, count=2)
    secret = make(owner, project, "read", "vote")
    assert [row["id"] for row in ask(secret, "/campaigns").json()["items"]] == [campaign.pk]
    claimed = ask(secret, f"/campaigns/{campaign.pk}/next", {"count": 1}).json()
    ballot = {"assignment": claimed[0]["id"], "client_uuid": str(uuid.uuid4()), "code": "A"}
    assert ask(secret, f"/campaigns/{campaign.pk}/votes", ballot).status_code == 200
    assert Vote.objects.get().expert.user == owner


@pytest.mark.parametrize(
    ("scope", "path", "body"),
    [
        ("vote", "/campaigns", None),
        ("read", "/campaigns/{}/next", {}),
        ("export", "/campaigns/{}/next", {}),
        ("read", "/campaigns/{}/votes", None),
        ("import", "/campaigns/{}/votes", None),
        ("read", "/campaigns/{}/votes", {"assignment": 1, "client_uuid": str(uuid.uuid4()), "code": "A"}),
        ("read", "/runs", {"version": 1, "task": "lcz"}),
        ("read", "/runs/1/cancel", {}),
    ],
)
def test_a_token_without_the_scope_is_refused(project, owner, scope, path, body):
    campaign = given.campaign(project, count=2)
    answer = ask(make(owner, project, scope), path.format(campaign.pk), body)
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")


def test_a_token_is_of_one_project_though_its_owner_is_in_two(project, owner):
    other = given.project()
    Membership.objects.create(project=other, user=owner, role="admin")
    campaign = given.campaign(other, count=2)
    secret = make(owner, project, *Token.Scope.values)
    assert ask(secret, "/campaigns").json()["items"] == []
    for path, body in (("", None), ("/samples", None), ("/next", {}), ("/votes", None), ("/consensus", None)):
        assert ask(secret, f"/campaigns/{campaign.pk}{path}", body).status_code == 404
    assert ask(make(owner, other), f"/campaigns/{campaign.pk}").status_code == 200


def test_a_token_does_no_more_than_its_owner_may_now(project, owner):
    campaign = given.campaign(project, count=2)
    services.close_campaign(campaign=campaign, by=None)
    secret, path = make(owner, project, "export", "read"), f"/campaigns/{campaign.pk}/votes"
    assert ask(secret, path).status_code == 200
    Membership.objects.filter(user=owner).update(role="expert")
    assert ask(secret, path).status_code == 403
    Membership.objects.filter(user=owner).delete()
    assert ask(secret, path).status_code == 404
    assert ask(secret, "/campaigns").json()["items"] == []
    type(owner).objects.update(is_active=False)
    assert ask(secret, "/campaigns").status_code == 401


@pytest.mark.parametrize("fault", ["revoked", "over", "unknown", "empty", "basic", "digest"])
def test_what_is_no_token_any_more_opens_nothing(project, owner, fault):
    token, secret = tokens.make_token(user=owner, project=project, name="script", scopes=["read"])
    if fault == "revoked":
        tokens.revoke_token(token=token, by=owner)
    if fault == "over":
        Token.objects.update(expires_at=timezone.now())
    word = {"unknown": secret[:-1] + "_", "empty": "", "digest": token.digest}.get(fault, secret)
    header = f"Basic {word}" if fault == "basic" else f"Bearer {word}"
    answer = Client(headers={"Authorization": header}).get(API + "/campaigns")
    assert answer.status_code == 401
    assert answer.json()["title"] == "Unauthorized"
    assert secret not in answer.content.decode()


def test_a_wrong_token_is_not_helped_by_a_session(project, owner):
    client = Client(headers={"Authorization": "Bearer gq_wrong"})
    client.force_login(owner)
    assert client.get(API + "/campaigns").status_code == 401


def test_a_token_reaches_no_page_changes_no_password_and_makes_no_token(project, owner):
    secret, before = make(owner, project, *Token.Scope.values), owner.password
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    for page in PAGES:
        assert client.get(page).status_code == 302, page
    new = "another long enough passphrase"
    fields = {"old_password": given.PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/account/password/", fields).status_code == 302
    made = {"name": "more", "project": project.pk, "scopes": ["read"], "days": 7}
    assert client.post("/account/tokens/", made).url.startswith("/login/")
    token = Token.objects.get()
    assert client.post(f"/account/tokens/{token.pk}/revoke/").url.startswith("/login/")
    owner.refresh_from_db()
    token.refresh_from_db()
    assert owner.password == before
    assert token.revoked_at is None


def test_the_page_shows_a_new_token_once_and_never_again(client, project, owner):
    client.force_login(owner)
    made = {"name": "nightly", "project": project.pk, "scopes": ["read", "export"], "days": 7}
    page = client.post("/account/tokens/", made)
    (secret,) = set(re.findall(r"gq_[\w-]{43}", page.content.decode()))
    assert "no-store" in page["Cache-Control"]
    assert ask(secret, "/campaigns").status_code == 200
    for address in PAGES[:-1]:
        assert secret not in client.get(address).content.decode()
    row = Token.objects.values().get()
    assert secret not in str(row)
    assert row["digest"] == tokens.digest_of(secret)
    assert row["expires_at"] - row["created_at"] == pytest.approx(timedelta(days=7), abs=timedelta(seconds=5))
    assert row["prefix"] in client.get("/account/").content.decode()
    revoked = client.post(f"/account/tokens/{row['id']}/revoke/", follow=True)
    assert row["prefix"] in revoked.content.decode(), "the message names it"
    assert row["prefix"] not in client.get("/account/").content.decode()
    assert ask(secret, "/campaigns").status_code == 401


@pytest.mark.parametrize(
    "change", [{"scopes": []}, {"scopes": ["root"]}, {"days": 0}, {"days": 10_000}, {"project": 0}, {"name": ""}]
)
def test_a_token_that_cannot_be_is_refused_and_none_is_made(client, project, owner, change):
    client.force_login(owner)
    made = {"name": "nightly", "project": project.pk, "scopes": ["read"], "days": 7} | change
    assert client.post("/account/tokens/", made).status_code == 400
    assert not Token.objects.exists()


def test_a_token_for_a_project_of_others_is_refused(client, project, owner):
    client.force_login(owner)
    foreign = given.project()
    made = {"name": "nightly", "project": foreign.pk, "scopes": ["read"], "days": 7}
    assert client.post("/account/tokens/", made).status_code == 400
    with pytest.raises(BadInputError):
        make(owner, foreign)
    assert not Token.objects.exists()


def test_a_token_of_somebody_else_cannot_be_revoked(client, project, owner):
    token, _secret = tokens.make_token(user=owner, project=project, name="script", scopes=["read"])
    client.force_login(given.member(project, "admin"))
    assert client.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_tokens_are_in_no_log_and_no_answer(project, owner, caplog):
    caplog.set_level(logging.DEBUG)
    campaign = given.campaign(project, count=2)
    secret = make(owner, project)
    answers = [
        ask(secret, "/campaigns"),
        ask(secret, f"/campaigns/{campaign.pk}/next", {}),
        ask(secret, "/nothing"),
        ask(secret + "x", "/campaigns"),
        Client().get(f"{API}/campaigns", {"token": secret, "key": secret, "access_token": secret}),
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 404, 401, 401]
    assert not any(secret in answer.content.decode() + str(answer.headers) for answer in answers)
    assert secret not in caplog.text


def test_the_last_use_is_noted_once_a_minute(project, owner):
    secret = make(owner, project)
    ask(secret, "/campaigns")
    first = Token.objects.get().last_used_at
    assert first is not None
    ask(secret, "/campaigns")
    assert Token.objects.get().last_used_at == first
    earlier = timezone.now() - timedelta(minutes=2)
    Token.objects.update(last_used_at=earlier)
    ask(secret, "/campaigns")
    assert Token.objects.get().last_used_at > earlier


def test_making_and_revoking_is_recorded_without_the_token(project, owner):
    token, secret = tokens.make_token(user=owner, project=project, name="script", scopes=["read"])
    tokens.revoke_token(token=token, by=owner)
    tokens.revoke_token(token=token, by=owner)
    lines = list(project.events.order_by("pk").values_list("action", "subject", "detail"))
    assert [line[0] for line in lines] == ["token made", "token revoked"]
    assert secret not in str(lines)
