"""One headless Chromium for the browser tests, and a made-up city that they look at.

Django is imported inside the fixtures: pytest reads this file before the settings are named.
"""

import copy
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from fusion.world.plan import plan_world
from fusion.world.render import CityFiles, render_city

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "before => (document.body.dataset.ready ?? '') !== '' && document.body.dataset.ready !== before"
SEED, CELLS = 11, 7  # 49 patches
SETTLE_S = 0.05  # from a request's leaving the browser to its being counted
LONGEST_WAIT_S = 10
_answering: set[int] = set()  # requests that the live server has in hand


def _begin(environ: Any = None, **_: Any) -> None:
    _answering.add(threading.get_ident())


def _end(**_: Any) -> None:
    _answering.discard(threading.get_ident())


def wait_until_idle() -> None:
    """Until every request that reached the live server is answered."""
    until = time.monotonic() + LONGEST_WAIT_S
    while _answering and time.monotonic() < until:
        time.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def count_requests() -> None:
    """Django tells of each request's begin and end in the thread that answers it."""
    from django.core.signals import request_finished, request_started

    request_started.connect(_begin)
    request_finished.connect(_end)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium; the tests are skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, live_server: object, transactional_db: None) -> Iterator[BrowserContext]:
    """A fresh profile; a script error, a refused script or a blocked style fails the test."""
    made = chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=str(live_server))
    faults: list[str] = []
    made.on("weberror", lambda error: faults.append(str(error.error)))
    made.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    yield made
    # Nothing may be on its way to the server while the database is emptied.
    made.set_offline(True)
    made.close()
    time.sleep(SETTLE_S)
    wait_until_idle()
    assert faults == []


@pytest.fixture
def sign_in(context: BrowserContext, live_server: object) -> Callable[[Any, str], Page]:
    """Signs a person in without the form and opens a page."""
    from django.conf import settings
    from django.test import Client

    def open_as(account: Any, address: str) -> Page:
        client = Client()
        client.force_login(account)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": str(live_server)}])
        page = context.new_page()
        page.goto(address)
        return page

    return open_as


class Voter:
    """Somebody at the vote page: presses keys, and waits until what follows is painted or stored."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wait("")

    def wait(self, before: str) -> str:
        """The assignment shown, once its pictures are painted and it is another than `before`."""
        self.page.wait_for_function(READY, arg=before)
        return self.page.evaluate("document.body.dataset.ready")

    @property
    def shown(self) -> int:
        return int(self.wait(""))

    def press(self, *keys: str) -> int:
        """Presses keys on the sample shown and waits for another; returns the assignment that was shown."""
        shown = self.wait("")
        for key in keys:
            self.page.keyboard.press(key)
        self.wait(shown)
        return int(shown)

    def wait_sent(self) -> None:
        self.page.wait_for_function("() => document.body.dataset.waiting === '0'", timeout=30_000)


@pytest.fixture
def sit_down(sign_in: Callable[[Any, str], Page]) -> Callable[..., Voter]:
    """Opens a campaign's vote page as a new expert, or as `account`."""
    from tests import given

    def sit(campaign: Any, account: Any = None) -> Voter:
        return Voter(sign_in(account or given.member(campaign.project), f"/campaigns/{campaign.pk}/vote/"))

    return sit


@pytest.fixture(scope="session")
def city_files(tmp_path_factory: pytest.TempPathFactory) -> CityFiles:
    """Rasters of a made-up city, drawn once."""
    world = plan_world(SEED, cities=1, cells=CELLS)
    return render_city(world, world.cities[0], Path(tmp_path_factory.mktemp("city")))


@pytest.fixture(scope="session")
def city_rows() -> dict[Any, list[Any]]:
    """What the first ingest of the city left in the database, by model."""
    return {}


@pytest.fixture
def city(transactional_db: None, city_files: CityFiles, city_rows: dict[Any, list[Any]]) -> tuple[Any, list[Any]]:
    """A simulated project with the city ingested and cut into patches; the same rows again after the first time."""
    from django.apps import apps
    from django.db import transaction

    from geoquorum.accounts.models import Project
    from geoquorum.catalog.models import Sample

    if not city_rows:
        _ingest(city_files)
        for model in (Project, *apps.get_app_config("catalog").get_models()):
            city_rows[model] = list(model.objects.all())
    else:
        with transaction.atomic():
            for model, rows in city_rows.items():
                model.objects.bulk_create([copy.copy(row) for row in rows])
    return Project.objects.get(), list(Sample.objects.order_by("pk"))


def _ingest(city_files: CityFiles) -> None:
    from geoquorum.catalog import services as catalog
    from tests import given

    project = given.project(is_simulated=True)
    region = catalog.get_region(project=project, name="Testford", is_simulated=True)
    catalog.ingest(region=region, paths=list(city_files.sentinel2.values()), modality="sentinel2")
    catalog.ingest(region=region, paths=[city_files.sentinel1], modality="sentinel1")
    catalog.cut_patches(region=region)
