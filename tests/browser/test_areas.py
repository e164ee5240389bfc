"""An area is drawn in a real browser by keys and by mouse, and voted on by another expert who sees its outline."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from geoquorum.accounts.models import Project
from geoquorum.campaigns.models import Vote
from geoquorum.catalog.models import Reference, Sample
from tests import given
from tests.browser.layout import check_layout

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SignIn = Callable[[Any, str], Page]


def wait_painted(page: Page) -> None:
    page.wait_for_function("() => (document.body.dataset.ready ?? '') !== ''")


def test_an_area_is_drawn_by_keys_and_voted_on_by_another_expert(
    city: tuple[Project, list[Sample]], sign_in: SignIn, sit_down: Callable[..., Any]
) -> None:
    project, patches = city
    region = patches[0].region
    page = sign_in(given.member(project), f"/catalog/regions/{region.pk}/areas/")
    wait_painted(page)
    status = page.locator("[data-status]")
    for keys in ("ArrowLeft " * 5, "ArrowRight " * 10, "ArrowUp " * 8, "ArrowLeft " * 10):
        for key in keys.split():
            page.keyboard.press(key)
        page.keyboard.press("Space")
    page.keyboard.press("Space")  # the same place again is no corner
    page.keyboard.press("Backspace")
    expect(status).to_contain_text("Corners so far: 3")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(status).to_contain_text("Outline of 4 corners")
    page.keyboard.press(".")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    page.keyboard.press("6")
    expect(status).to_contain_text("Stored: 6")
    page.keyboard.press("Space")
    page.keyboard.press("7")
    expect(status).to_contain_text("An outline needs three")
    area = Sample.objects.get(kind="area")
    assert len(area.footprint["coordinates"][0]) == 5
    assert Reference.objects.get(sample=area).code == "6"
    asked = {"question": "lcz_area", "samples": [area], "quota": 1}
    voter = sit_down(given.campaign(project, **asked))
    expect(voter.page.locator("[data-area-facts]")).to_contain_text("Outlined area")
    lines = voter.page.locator(".view .area-line")
    expect(lines).to_have_count(4)
    check_layout(voter.page)
    voter.page.keyboard.press("m")
    expect(voter.page.locator(".map-picture .area-line")).to_have_count(1)
    voter.page.keyboard.press("m")
    voter.page.keyboard.press("3")
    voter.page.wait_for_function("() => document.body.dataset.waiting === '0'")
    assert list(Vote.objects.values_list("sample", "code", "interface_version")) == [(area.pk, "3", "4")]


def test_corners_are_set_and_dragged_by_mouse_and_a_crossing_is_told(
    city: tuple[Project, list[Sample]], sign_in: SignIn
) -> None:
    project, patches = city
    page = sign_in(given.member(project), f"/catalog/regions/{patches[0].region_id}/areas/")
    wait_painted(page)
    ground = page.locator("[data-ground]").bounding_box()
    x, y = ground["x"] + ground["width"] / 2, ground["y"] + ground["height"] / 2
    places = [(x - 80, y - 80), (x + 80, y + 80), (x + 80, y - 80), (x - 80, y + 80)]
    for place in places:
        page.mouse.click(*place)
    page.mouse.click(*places[0])
    page.keyboard.press("a")
    expect(page.locator("[data-status]")).to_contain_text("does not cross itself")
    page.mouse.move(*places[1])
    page.mouse.down()
    page.mouse.move(x, y - 120, steps=4)
    page.mouse.up()
    page.keyboard.press("a")
    expect(page.locator("[data-status]")).to_contain_text("Stored: A")
    expect(page.locator("[data-own] li")).to_have_count(1)
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("[data-own] li")).to_have_count(0)
    assert not Sample.objects.filter(kind="area").exists()
