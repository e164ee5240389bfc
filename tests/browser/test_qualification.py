"""A try at qualification in a real browser: by keyboard from the first page to the score, then on to the votes."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from geoquorum.campaigns.models import Assignment, Attempt, Campaign, Gold
from geoquorum.campaigns.services.gold import choose_gold
from tests import given

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SignIn = Callable[[Any, str], Page]
RULES = {"qualification": {"threshold": 0.7, "samples": 5, "tries": 3}, "gold_share": 0.1}


@pytest.fixture
def campaign(transactional_db: None) -> Campaign:
    """An open campaign of a made-up city, with known answers for qualification."""
    project = given.project(is_simulated=True)
    region = given.city(project)
    made = given.campaign(project, samples=list(region.samples.all()), policy=RULES)
    choose_gold(campaign=made, source="simulated truth", per_class=2, use="qualify", by=None)
    return made


def press_right_key(page: Page, campaign: Campaign) -> None:
    """What the expert who knows presses on the sample shown."""
    page.wait_for_function("() => (document.body.dataset.ready ?? '') !== ''")
    shown = page.evaluate("document.body.dataset.ready")
    code = Gold.objects.get(campaign=campaign, sample=Assignment.objects.get(pk=int(shown)).sample).code
    page.keyboard.press({"10": "0"}.get(code, code))
    page.wait_for_function("before => document.body.dataset.ready !== before", arg=shown)


def test_a_try_by_keyboard_ends_in_a_score_and_opens_the_votes(campaign: Campaign, sign_in: SignIn) -> None:
    page = sign_in(given.member(campaign.project), f"/campaigns/{campaign.pk}/qualify/")
    expect(page.get_by_role("heading", level=1)).to_have_text("5 samples first, then your votes count")
    page.get_by_role("button", name="Start").press("Enter")
    page.wait_for_url("**/qualify/vote/")
    for _ in range(4):
        press_right_key(page, campaign)
    page.wait_for_function("() => (document.body.dataset.ready ?? '') !== ''")
    shown = page.evaluate("document.body.dataset.ready")
    code = Gold.objects.get(campaign=campaign, sample=Assignment.objects.get(pk=int(shown)).sample).code
    page.keyboard.press({"10": "0"}.get(code, code))
    page.locator("[data-cover-leave]").click()
    page.wait_for_url("**/qualify/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Qualified with 100 %: your votes count")
    assert Attempt.objects.get().score == 1.0
    page.get_by_role("link", name="Vote", exact=True).click()
    page.wait_for_function("() => (document.body.dataset.ready ?? '') !== ''")
    assert Assignment.objects.filter(campaign=campaign, round__purpose="vote").exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_is_found_on_the_pages_of_quality(
    campaign: Campaign, context: BrowserContext, live_server: object, sign_in: SignIn, theme: str
) -> None:
    context.add_cookies([{"name": "theme", "value": theme, "url": str(live_server)}])
    page = sign_in(given.member(campaign.project, "curator"), "/")
    faults = []
    for place in ("qualify", "gold", "experts", "experts/me"):
        page.goto(f"/campaigns/{campaign.pk}/{place}/")
        found = Axe().run(page).response["violations"]
        faults += [
            (place, one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
        ]
    assert faults == []
