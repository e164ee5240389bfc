"""Voting in a real browser: every key press becomes exactly the rows it should, whatever the network does."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, Route, expect

from geoquorum.accounts.models import Project, User
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign, Comment, Vote
from geoquorum.catalog.models import Sample
from tests import given

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SignIn = Callable[[User, str], Page]
KEYS = ["1", "6", "0", "A", "g", "Shift+5", "Shift+D", "9", "Numpad4", "B"]
MEANT = [("1", True), ("6", True), ("10", True), ("A", True), ("G", True), ("5", False), ("D", False), ("9", True)]
MEANT += [("4", True), ("B", True)]


@pytest.fixture
def campaign(city: tuple[Project, list[Sample]]) -> Campaign:
    """An open campaign on the whole city."""
    project, samples = city
    made = services.create_campaign(
        project=project, name="Zones", question="lcz_patch", scheme="lcz17", samples=samples, quota=3, by=None
    )
    return services.open_campaign(campaign=made, by=None)


@pytest.fixture
def page(campaign: Campaign, sign_in: SignIn) -> Page:
    """The vote page with its first sample painted."""
    opened = sign_in(given.member(campaign.project), f"/campaigns/{campaign.pk}/vote/")
    wait_ready(opened, "")
    return opened


def wait_ready(page: Page, before: str) -> str:
    """The assignment shown, once its pictures are painted and it is another than `before`."""
    page.wait_for_function(
        "before => (document.body.dataset.ready ?? '') !== '' && document.body.dataset.ready !== before", arg=before
    )
    return page.evaluate("document.body.dataset.ready")


def press(page: Page, *keys: str) -> int:
    """Presses keys on the sample shown and waits for the next; returns the assignment that was shown."""
    shown = wait_ready(page, "")
    for key in keys:
        page.keyboard.press(key)
    wait_ready(page, shown)
    return int(shown)


def wait_sent(page: Page) -> None:
    page.wait_for_function("() => document.body.dataset.waiting === '0'", timeout=30_000)


def stored() -> list[tuple[Any, ...]]:
    """Every vote in the order of the database: assignment, revision, kind, code, sure, reason."""
    fields = ("assignment_id", "revision", "kind", "code", "is_sure", "skip_reason")
    return list(Vote.objects.order_by("pk").values_list(*fields))


@pytest.mark.slow
def test_thirty_samples_by_keyboard_with_undos_and_skips_are_exactly_those_rows(page: Page) -> None:
    rows: list[tuple[Any, ...]] = []
    for turn in range(28):
        code, is_sure = MEANT[turn % 10]
        if turn in (5, 13, 27):
            mistaken = press(page, "7")
            rows += [(mistaken, 0, "answer", "7", True, ""), (mistaken, 1, "taken_back", "", True, "")]
            assert press_backspace(page) == mistaken
        assignment = press(page, KEYS[turn % 10])
        rows.append((assignment, 2 if turn in (5, 13, 27) else 0, "answer", code, is_sure, ""))
    rows.append((press(page, "s", "3"), 0, "skip", "", True, "3"))
    rows.append((press_skip_with_words(page, "half of it lies under a cable car"), 0, "skip", "", True, "0"))
    wait_sent(page)
    assert stored() == rows
    assert len({row[0] for row in rows}) == 30
    assert Comment.objects.get().text == "half of it lies under a cable car"
    expect(page.locator(".vote-head .progress-text")).to_have_text("30 of 49")


def press_backspace(page: Page) -> int:
    """Takes back the last vote; its sample is shown again."""
    shown = wait_ready(page, "")
    page.keyboard.press("Backspace")
    return int(wait_ready(page, shown))


def press_skip_with_words(page: Page, words: str) -> int:
    shown = wait_ready(page, "")
    page.keyboard.press("s")
    page.keyboard.press("Numpad0")
    page.keyboard.press("Enter")
    assert page.locator("#skip").is_visible(), "the reason 'other' needs words"
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    wait_ready(page, shown)
    return int(shown)


def cut(route: Route) -> None:
    """The request never arrives; one that is on its way when the cut ends was already let go."""
    with suppress(PlaywrightError):
        route.abort()


def store_but_lose_the_answer(route: Route) -> None:
    """The request arrives, its answer does not."""
    with suppress(PlaywrightError):
        route.fetch()
    cut(route)


@pytest.mark.slow
def test_a_cut_network_loses_and_doubles_no_vote(page: Page) -> None:
    rows = [(press(page, "1"), 0, "answer", "1", True, "")]
    wait_sent(page)
    page.route("**/votes/", store_but_lose_the_answer)
    rows.append((press(page, "2"), 0, "answer", "2", True, ""))
    page.wait_for_timeout(600)
    page.unroute("**/votes/")
    page.route("**/votes/", cut)
    page.route("**/claims/", cut)
    rows += [(press(page, key), 0, "answer", key, True, "") for key in "34"]
    expect(page.locator("[data-link]")).to_contain_text("votes waiting")
    page.wait_for_timeout(2_000)
    assert len(stored()) == 2
    page.unroute("**/votes/")
    page.unroute("**/claims/")
    wait_sent(page)
    assert stored() == rows
    expect(page.locator("[data-link]")).to_be_hidden()


@pytest.mark.slow
def test_votes_that_wait_survive_a_reload(page: Page) -> None:
    for address in ("**/votes/", "**/claims/"):
        page.route(address, cut)
    rows: list[tuple[Any, ...]] = [(press(page, key), 0, "answer", key, True, "") for key in "12345"]
    assert stored() == []
    page.reload()
    expect(page.locator("[data-link]")).to_contain_text("5 votes waiting")
    expect(page.locator("[data-history] button.unsent")).to_have_count(5)
    for address in ("**/votes/", "**/claims/"):
        page.unroute(address)
    assert int(wait_ready(page, "")) not in {row[0] for row in rows}
    wait_sent(page)
    assert stored() == rows


@pytest.mark.slow
def test_thirty_seconds_without_network_lose_and_double_no_vote(page: Page) -> None:
    wait_quiet(page)
    page.context.set_offline(True)
    rows: list[tuple[Any, ...]] = [(press(page, key), 0, "answer", key, True, "") for key in "12345"]
    page.wait_for_timeout(30_000)
    page.context.set_offline(False)
    wait_sent(page)
    rows.append((press(page, "6"), 0, "answer", "6", True, ""))
    wait_sent(page)
    assert stored() == rows


def wait_quiet(page: Page) -> None:
    """Until no further picture comes: the next samples are in hand."""
    loaded = -1
    while loaded != (loaded := page.evaluate("performance.getEntriesByType('resource').length")):
        page.wait_for_timeout(500)


@pytest.mark.slow
def test_a_server_that_asks_to_wait_is_asked_again_and_only_later(page: Page) -> None:
    statuses = [429, 503]
    asked: list[float] = []

    def answer(route: Route) -> None:
        asked.append(page.evaluate("performance.now()"))
        if statuses:
            route.fulfill(status=statuses.pop(), headers={"Retry-After": "2"}, json={"error": "Later."})
        else:
            route.continue_()

    page.route("**/votes/", answer)
    press(page, "1")
    wait_sent(page)
    assert [row[3] for row in stored()] == ["1"]
    assert all(later - earlier >= 2000 for earlier, later in itertools.pairwise(asked))
    assert len(asked) == 3


@pytest.mark.slow
def test_votes_that_wait_are_sent_from_any_vote_page_of_the_same_person(
    page: Page, campaign: Campaign, sign_in: SignIn
) -> None:
    # Offline, not a cut route: the browser lets a request that a route holds go when its page is closed.
    page.context.set_offline(True)
    row = (press(page, "3"), 0, "answer", "3", True, "")
    other = given.campaign(campaign.project)
    page.close()
    page.context.set_offline(False)
    stranger = sign_in(given.member(campaign.project), f"/campaigns/{other.pk}/vote/")
    wait_sent(stranger)
    assert stored() == [], "nobody sends another person's votes"
    stranger.close()
    voter = User.objects.get(experts__assignments__pk=row[0])
    wait_sent(sign_in(voter, f"/campaigns/{other.pk}/vote/"))
    assert stored() == [row]


def test_a_vote_that_comes_after_the_close_is_named_and_not_stored(page: Page, campaign: Campaign) -> None:
    press(page, "1")
    wait_sent(page)
    services.close_campaign(campaign=campaign, by=None)
    page.keyboard.press("2")
    expect(page.locator("[data-link]")).to_contain_text("Not stored: LCZ 2")
    assert [row[3] for row in stored()] == ["1"]


def test_the_last_sample_leads_to_a_page_that_says_so(city: tuple[Project, list[Sample]], sign_in: SignIn) -> None:
    project, samples = city
    campaign = given.campaign(project, samples=samples[:1])
    page = sign_in(given.member(project), f"/campaigns/{campaign.pk}/vote/")
    wait_ready(page, "")
    page.keyboard.press("Shift+G")
    expect(page.locator("[data-cover-title]")).to_have_text("Nothing is left for you")
    assert [(row[2], row[3], row[4]) for row in stored()] == [("answer", "G", False)]


def test_a_key_in_a_field_or_held_down_is_no_vote(page: Page) -> None:
    page.keyboard.press("n")
    page.keyboard.type("123 abc")
    page.keyboard.press("Escape")
    page.evaluate(
        "document.dispatchEvent(new KeyboardEvent('keydown', {key: '1', code: 'Digit1', repeat: true, bubbles: true}))"
    )
    page.keyboard.press("Control+1")
    assert page.evaluate("document.body.dataset.waiting") == "0"
    assert stored() == []
