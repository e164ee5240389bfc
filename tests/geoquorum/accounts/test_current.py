"""Choosing the project that lists show."""

import pytest
from django.test import Client

from geoquorum.accounts.models import Membership
from tests import given

pytestmark = pytest.mark.django_db


def chosen(client: Client) -> str:
    return client.session.get("project", "")


def test_a_member_chooses_a_project_and_goes_back_to_the_page(client: Client) -> None:
    project = given.project()
    client.force_login(given.member(project))
    answer = client.post("/account/project/", {"project": project.slug, "next": "/account/"})
    assert (chosen(client), answer.url) == (project.slug, "/account/")


def test_a_stranger_cannot_choose_a_project(client: Client) -> None:
    client.force_login(given.user())
    client.post("/account/project/", {"project": given.project().slug})
    assert chosen(client) == ""


def test_a_choice_ends_with_the_membership(client: Client) -> None:
    project = given.project(name="Left behind")
    client.force_login(given.member(project))
    client.post("/account/project/", {"project": project.slug})
    Membership.objects.all().delete()
    assert b"Left behind" not in client.get("/").content


def test_a_choice_is_not_made_by_get(client: Client) -> None:
    client.force_login(given.user())
    assert client.get("/account/project/").status_code == 405


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "https:evil.example"]
)
def test_the_way_back_never_leaves_the_site(client: Client, target: str) -> None:
    client.force_login(given.user())
    assert client.post("/account/project/", {"project": "", "next": target}).url == "/"


def test_names_are_escaped_wherever_they_stand(client: Client) -> None:
    project = given.project(name="<script>alert(1)</script>")
    client.force_login(given.member(project, name="<img>"))
    for address in ("/", "/account/"):
        assert b"<script>alert" not in client.get(address).content
