"""Every key of the vote page: what it does, how it is changed, and that no key is needed."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from geoquorum.accounts.models import Expert, Project
from geoquorum.campaigns.models import Campaign, Comment, Session, Thread, Vote
from geoquorum.catalog.models import Sample
from tests import given
from tests.browser.layout import check_layout

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SWAP = "[data-swap]"


@pytest.fixture
def campaign(city: tuple[Project, list[Sample]]) -> Campaign:
    """An open campaign on the whole city."""
    project, samples = city
    return given.campaign(project, samples=samples)


@pytest.fixture
def voter(campaign: Campaign, sit_down: Callable[..., Any]) -> Any:
    return sit_down(campaign)


def rows() -> list[tuple[Any, ...]]:
    """Every vote in the order of the database: assignment, revision, kind, code."""
    return list(Vote.objects.order_by("pk").values_list("assignment_id", "revision", "kind", "code"))


def test_a_vote_further_back_is_looked_at_and_changed_by_keys(voter: Any) -> None:
    first, second, third = voter.press("1"), voter.press("2"), voter.press("3")
    waiting = voter.shown
    assert voter.press("ArrowLeft") == waiting
    assert voter.press("ArrowLeft") == third
    assert voter.shown == second
    expect(voter.page.locator("[data-status]")).to_contain_text("2 back: LCZ 2, sure")
    expect(voter.page.locator(".pad-key.own")).to_have_attribute("data-code", "2")
    voter.press("Shift+9")
    assert voter.shown == waiting, "after a change the sample to vote on is shown again"
    voter.press("ArrowLeft")
    voter.press("ArrowRight")
    assert voter.shown == waiting
    voter.press("4")
    voter.wait_sent()
    assert rows() == [
        (first, 0, "answer", "1"), (second, 0, "answer", "2"), (third, 0, "answer", "3"), (second, 1, "answer", "9"),
        (waiting, 0, "answer", "4"),
    ]  # fmt: skip
    expect(voter.page.locator(".vote-head .progress-text")).to_have_text("4 of 49")


def test_the_history_strip_leads_back_and_undo_takes_n_steps(voter: Any) -> None:
    first, second = voter.press("1"), voter.press("2")
    shown = str(voter.shown)
    voter.page.locator("[data-history] button").first.click()
    assert voter.wait(shown) == str(first)
    voter.press("Escape")
    voter.press("Backspace")
    assert voter.shown == second
    voter.press("Control+z")
    assert voter.shown == first
    voter.page.keyboard.press("Backspace")
    expect(voter.page.locator("[data-status]")).to_contain_text("Nothing to take back")
    voter.wait_sent()
    assert rows()[2:] == [(second, 1, "taken_back", ""), (first, 1, "taken_back", "")]


def test_every_key_of_the_table_does_what_it_says(voter: Any) -> None:
    page: Page = voter.page
    press, find = page.keyboard.press, page.locator
    press("v")
    expect(find(".view:visible")).to_have_count(1)
    press("Shift+V")
    expect(find(".view:visible")).to_have_count(4)
    season = find("[data-season][aria-pressed=true]")
    before = season.text_content()
    press("t")
    expect(season).not_to_have_text(before or "")
    press("Shift+T")
    expect(season).to_have_text(before or "")
    press("ArrowUp")
    assert page.evaluate("document.querySelector('.views').style.getPropertyValue('--brightness')") == "1.15"
    press("x")
    assert page.evaluate("document.querySelector('.views').style.getPropertyValue('--brightness')") == "1.00"
    press("+")
    expect(find("[data-zoom]")).to_have_attribute("aria-pressed", "true")
    press("-")
    expect(find("[data-zoom]")).to_have_attribute("aria-pressed", "false")
    page.keyboard.down("Space")
    expect(find("[data-views]")).to_have_class("views no-outline")
    page.keyboard.up("Space")
    expect(find("[data-views]")).to_have_class("views")
    press("i")
    expect(find("[data-spectrum-words]")).to_contain_text("pixel 17, 17")
    press("Shift+ArrowLeft")
    expect(find("[data-spectrum-words]")).to_contain_text("pixel 16, 17")
    for key, dialog in (("r", "#cards"), ("h", "#help"), ("s", "#skip"), ("n", "#note")):
        press(key)
        expect(find(dialog)).to_be_visible()
        press("Escape")
        expect(find(dialog)).to_be_hidden()
    press("p")
    expect(find("[data-cover-title]")).to_have_text("Paused")
    press("6")
    press("p")
    assert rows() == [], "no key votes in a pause"


def test_what_was_chosen_and_looked_at_goes_with_the_vote(voter: Any) -> None:
    page: Page = voter.page
    page.keyboard.press("m")
    expect(page.locator("[data-map] canvas")).to_have_js_property("width", 9 * 32)
    expect(page.locator("[data-map-bar]")).to_have_text("500 m")
    page.keyboard.press("-")
    expect(page.locator("[data-map] canvas")).to_have_js_property("width", 15 * 32)
    page.keyboard.press("i")
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    expect(page.locator("#cards")).to_be_hidden()
    page.keyboard.press("n")
    expect(page.locator("#note-text")).to_be_focused()
    page.keyboard.type("a park in the middle")
    page.keyboard.press("Enter")
    page.keyboard.press("l")
    voter.press("k", "5", "Shift+6")
    voter.press("7")
    voter.wait_sent()
    first, second = Vote.objects.order_by("pk")
    assert (first.code, first.second_code, first.is_sure) == ("6", "5", False)
    assert {"map", "spectrum", "cards"} < set(first.views_opened)
    assert "map" in second.views_opened, "the map stays open from sample to sample"
    assert not {"spectrum", "cards"} & set(second.views_opened)
    assert (second.second_code, second.is_sure) == ("", True)
    assert first.shown_at < first.decided_at
    assert first.interface_version == "4"
    assert Comment.objects.get(vote=first).text == "a park in the middle"
    assert Thread.objects.get().sample_id == first.sample_id


def test_a_discussion_is_one_link_away_from_the_own_vote_and_only_then(voter: Any) -> None:
    page: Page = voter.page
    thread = page.locator("[data-thread]")
    page.route("**/votes/", lambda route: route.abort())
    voter.press("1")
    voter.press("ArrowLeft")
    expect(page.locator("[data-history] .unsent")).to_have_count(1)
    expect(thread).to_be_hidden()  # not stored, so not open
    page.unroute("**/votes/")
    voter.wait_sent()
    expect(thread).to_be_visible()
    vote = Vote.objects.get()
    address = thread.get_attribute("href") or ""
    assert address == f"/campaigns/{vote.campaign_id}/samples/{vote.sample_id}/#thread"
    assert page.request.get(address).status == 200
    voter.press("Escape")
    expect(thread).to_be_hidden()
    voter.press("Backspace")
    voter.wait_sent()
    assert page.request.get(address).status == 404


def test_the_own_pace_is_read_whole_and_rows_are_full(voter: Any) -> None:
    for key in "123456":
        voter.press(key)
    pace = voter.page.locator("[data-pace]")
    expect(pace).to_have_text(re.compile(r"^\d+(\.\d)? (s|min) each · \d+/h$"))
    check_layout(voter.page)


def open_settings(page: Page) -> None:
    page.goto("/campaigns/preferences/")
    page.wait_for_function("() => document.body.dataset.ready === 'yes'")


def choose(page: Page, key: str, pressed: str) -> None:
    page.locator(f"[data-of={key}]").click()
    page.keyboard.press(pressed)


def test_a_key_that_is_held_is_changed_only_after_its_holder_was_named(campaign: Campaign, sit_down: Any) -> None:
    account = given.member(campaign.project)
    voter = sit_down(campaign, account)
    page: Page = voter.page
    page.get_by_role("link", name="Settings").click()
    page.wait_for_function("() => document.body.dataset.ready === 'yes'")
    choose(page, "S", "k")
    expect(page.locator("[data-conflict-text]")).to_contain_text("K is held by: Second choice")
    page.locator("[data-leave]").click()
    assert Expert.objects.get(user=account).preferences == {}
    choose(page, "S", "k")
    page.locator(SWAP).click()
    expect(page.locator("[data-status]")).to_have_text("Saved.")
    with page.expect_response(lambda answer: answer.request.method == "POST"):  # painted before it is stored
        choose(page, "B", "w")
    expect(page.locator("[data-of=B]")).to_have_text("W")
    kept = {"S": "K", "K": "S", "B": "W", "W": "B"}
    assert Expert.objects.get(user=account).preferences["keys"] == kept
    voter = sit_down(campaign, account)
    page = voter.page
    expect(page.locator(".pad [data-key=S] .key")).to_have_text("K")
    expect(page.locator("[data-code=B]")).to_have_attribute("aria-keyshortcuts", "W")
    page.keyboard.press("b")
    voter.press("w")
    voter.press("k", "3")
    voter.wait_sent()
    assert [row[2:] for row in rows()] == [("answer", "B"), ("skip", "")]
    open_settings(page)
    page.locator("[data-defaults]").click()
    expect(page.locator("[data-of=S]")).to_have_text("S")
    expect(page.locator("[data-status]")).to_have_text("Saved.")
    assert Expert.objects.get(user=account).preferences["keys"] == {}


def test_single_keys_can_be_switched_off_and_buttons_vote_on(campaign: Campaign, sit_down: Any) -> None:
    account = given.member(campaign.project)
    given.expert(campaign.project, account, preferences={"single_keys": False})
    voter = sit_down(campaign, account)
    page: Page = voter.page
    for key in ("6", "s", "h", "?"):
        page.keyboard.press(key)
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator(".pad-key .key:visible")).to_have_count(0)
    shown = page.evaluate("document.body.dataset.ready")
    page.locator("[data-code='6']").focus()
    page.keyboard.press("Enter")
    voter.wait(shown)
    voter.wait_sent()
    assert [row[2:] for row in rows()] == [("answer", "6")]


def test_the_safe_colours_are_a_choice_of_display(campaign: Campaign, sit_down: Any) -> None:
    voter = sit_down(campaign)
    page: Page = voter.page
    colour = "getComputedStyle(document.querySelector('[data-code=\"3\"] .chip')).backgroundColor"
    assert page.evaluate(colour) == "rgb(255, 0, 0)"
    open_settings(page)
    page.locator("[name=palette][value=safe]").check()
    page.locator("[name=theme][value=dark]").check()
    expect(page.locator("[data-status]")).to_have_text("Saved.")
    page.goto(f"/campaigns/{campaign.pk}/vote/")
    assert page.evaluate(colour) == "rgb(90, 105, 60)"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("size", [(390, 844), (1280, 800), (1920, 1080)], ids=["phone", "laptop", "large"])
def test_all_that_a_vote_needs_is_on_the_screen_at_once(voter: Any, size: tuple[int, int]) -> None:
    page: Page = voter.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(300)
    boxes = [box.bounding_box() for box in page.locator(".pad-key, .view, .history, [data-status]").all()]
    shown = [box for box in boxes if box is not None]
    assert len(shown) == 17 + 3 + 4 + 2
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= size[1] + 1 for box in shown if box["height"])
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    if size[0] == 390:
        sides = [page.locator(".pad-key").nth(place).bounding_box() for place in range(20)]
        assert min(min(box["width"], box["height"]) for box in sides if box) >= 44


def wait_for_session(page: Page, is_so: Callable[[Session], bool]) -> None:
    """Until the sitting's row on the server is so; five seconds at most."""
    for _turn in range(50):
        page.wait_for_timeout(100)
        if is_so(Session.objects.get()):
            return
    raise AssertionError(vars(Session.objects.get()))


def test_the_clock_stops_after_a_minute_without_input_and_at_the_end(campaign: Campaign, sign_in: Any) -> None:
    page: Page = sign_in(given.member(campaign.project), "/campaigns/")
    page.clock.install()
    page.goto(f"/campaigns/{campaign.pk}/vote/")
    page.wait_for_function("() => (document.body.dataset.ready ?? '') !== ''")
    page.clock.fast_forward(61_000)
    expect(page.locator("[data-status]")).to_contain_text("the clock stands still")
    wait_for_session(page, lambda one: len(one.pauses) == 1 and "to" not in one.pauses[0])
    page.keyboard.press("ArrowUp")
    wait_for_session(page, lambda one: "to" in one.pauses[0])
    expect(page.locator("[data-break]")).to_be_hidden()
    for _minute in range(46):
        page.clock.fast_forward(59_000)
        page.keyboard.press("ArrowUp")
    page.clock.fast_forward(11_000)
    expect(page.locator("[data-break]")).to_be_visible()
    page.goto("/campaigns/")
    wait_for_session(page, lambda one: one.ended_at is not None)
    assert len(Session.objects.get().pauses) == 1, "who presses keys is not idle"
