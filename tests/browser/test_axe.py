"""What an accessibility checker finds on the pages that experts use most, in both themes: nothing serious."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

from geoquorum.campaigns.models import Campaign, ConsensusRun
from tests import given

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SignIn = Callable[[Any, str], Page]
GRAVE = ("serious", "critical")
PAGES = ("/", "/campaigns/", "/campaigns/{open}/", "/campaigns/{open}/vote/", "/campaigns/{closed}/consensus/")
PAGES += ("/campaigns/preferences/", "/account/")


@pytest.fixture
def world(transactional_db: None) -> tuple[Campaign, ConsensusRun]:
    """An open campaign and a closed one with its consensus, in one city."""
    project = given.project(is_simulated=True)
    region = given.city(project)
    run = given.consensus(project, [region])
    return given.campaign(project, samples=list(region.samples.all())), run


def find_faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{page.url} {fault['id']} {fault['impact']}: {node['html'][:120]} {node['failureSummary'][:300]}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"][:4]
    ]


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_serious_is_found_on_an_experts_pages(
    world: tuple[Campaign, ConsensusRun], context: BrowserContext, live_server: object, sign_in: SignIn, theme: str
) -> None:
    campaign, run = world
    context.add_cookies([{"name": "theme", "value": theme, "url": str(live_server)}])
    page = context.new_page()
    page.goto("/login/")
    faults = find_faults(page)
    page = sign_in(given.member(campaign.project), "/")
    for address in PAGES:
        page.goto(address.format(open=campaign.pk, closed=run.campaign_id))
        if address.endswith("/vote/"):
            page.wait_for_function("() => (document.body.dataset.ready ?? '') !== ''")
            page.keyboard.press("6")
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        faults += find_faults(page)
    assert faults == []
