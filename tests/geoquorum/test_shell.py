"""The page frame: it renders for everybody, obeys the content security policy, and shows each person only their own."""

import re

import pytest
from django.test import Client

from fusion import scheme
from geoquorum.templatetags.shell import far
from tests import given

INLINE = re.compile(r"<[^>]+\s(style|on[a-z]+)=|<script(?![^>]*\ssrc=)|<style", re.IGNORECASE)


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/login/", "/styles/", "/", "/account/", "/account/password/"])
def test_a_page_holds_no_inline_script_or_style(client: Client, address: str) -> None:
    if address != "/login/":
        client.force_login(given.member(given.project()))
    page = client.get(address)
    assert page.status_code == 200
    assert INLINE.search(page.content.decode()) is None


@pytest.mark.django_db
def test_the_home_page_asks_a_stranger_to_sign_in(client: Client) -> None:
    assert client.get("/").url == "/login/?next=/"


@pytest.mark.django_db
def test_signing_out_needs_a_post(client: Client) -> None:
    client.force_login(given.user())
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").url == "/login/"


@pytest.mark.django_db
def test_a_missing_page_says_so_inside_the_frame(client: Client) -> None:
    page = client.get("/no-such-page/")
    assert page.status_code == 404
    assert b"Not found" in page.content


def test_every_class_of_every_scheme_has_its_swatch(client: Client) -> None:
    sheet = client.get("/swatches.css")
    assert sheet["Content-Type"].startswith("text/css")
    for name, declared in scheme.load_all().items():
        for label in declared.classes:
            colours = f"{{ background: {label.colour}; fill: {label.colour}; color: {label.ink}; }}"
            assert f".swatch-{name}-{label.code} {colours}" in sheet.content.decode()


@pytest.mark.django_db
def test_the_swatches_are_kept_long_only_under_their_own_hash(client: Client) -> None:
    address = re.search(rb'href="(/swatches.css\?v=\w+)"', client.get("/login/").content).group(1).decode()
    assert "immutable" in client.get(address)["Cache-Control"]
    assert "immutable" not in client.get("/swatches.css?v=old")["Cache-Control"]


@pytest.mark.django_db
def test_home_shows_a_simulated_project_as_simulated(client: Client) -> None:
    client.force_login(given.member(given.project(is_simulated=True)))
    assert b"Simulated" in client.get("/").content


@pytest.mark.parametrize(
    ("metres", "told"), [(None, "–"), (0.4, "0 m"), (9_999.4, "9,999 m"), (10_000, "10 km"), (1_381_784, "1,382 km")]
)
def test_a_distance_is_told_in_kilometres_where_it_is_long(metres: float | None, told: str) -> None:
    assert far(metres) == told
