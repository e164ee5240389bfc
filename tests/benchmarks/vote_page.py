"""From the key to the next patch painted, in a real browser on the server that `manage.py up` starts.

    python -m tests.benchmarks.vote_page [--votes 60] [--pause 0.6]

Milliseconds from the key press until the frame after the next sample's four views were drawn. One expert votes at a
steady pace, so that samples and pictures are fetched ahead as they are for people, then as fast as the page allows.
Beside it: the same page loaded anew for a sample, as tools do that have a page per sample. Needs Chromium.
"""

import json
import os
import shutil
import statistics
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.voting_house import OWN_NAMES, House

CELLS = 12
RELOADS = 8
READY = "before => (document.body.dataset.ready ?? '') !== '' && document.body.dataset.ready !== before"
VOTE = """() => new Promise((done) => {
  const before = document.body.dataset.ready, begun = performance.now();
  new MutationObserver((_changes, observer) => {
    if (!document.body.dataset.ready || document.body.dataset.ready === before) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
  }).observe(document.body, { attributes: true });
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "6", code: "Digit6", bubbles: true }));
})"""


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--votes", type=int, default=60, help="votes at each pace, at most 70")
    parser.add_argument("--pause", type=float, default=0.6, help="seconds between a painted sample and the next key")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="geoquorum-page-"))
    folder.chmod(0o711)  # as root the database server runs as another user, who must enter
    try:
        print(json.dumps(_report(measure(folder, options.votes, options.pause))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, votes: int, pause_s: float) -> dict[str, list[float]]:
    """Milliseconds of each vote at a steady pace, of each without a pause, and of each reload."""
    _prepare(folder / "home")
    from geoquorum.embedded import ports

    with House(folder / "home", ports.find_free(), {"GEOQUORUM_VOTES_PER_S": "1000"}) as house:
        campaign, cookies = _fill(folder)
        site = f"http://127.0.0.1:{house.port}"
        with sync_playwright() as tool:
            browser = tool.chromium.launch(executable_path=_find_chromium(), args=["--no-sandbox"])
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            context.add_cookies([{"name": name, "value": value, "url": site} for name, value in cookies.items()])
            page = context.new_page()
            page.goto(f"{site}/campaigns/{campaign}/vote/")
            found = {"steady": _vote(page, votes, pause_s), "hurried": _vote(page, votes, 0.0)}
            found["reloaded"] = [_reload(page) for _turn in range(RELOADS)]
            browser.close()
    return found


def _vote(page: Page, votes: int, pause_s: float) -> list[float]:
    page.wait_for_function(READY, arg="")
    page.wait_for_timeout(2000)
    waits = []
    for _turn in range(votes):
        waits.append(page.evaluate(VOTE))
        page.wait_for_timeout(1000 * pause_s)
    return waits


def _reload(page: Page) -> float:
    page.evaluate("sessionStorage.setItem('begun', String(Date.now()))")
    page.reload()
    page.wait_for_function(READY, arg="")
    return page.evaluate("Date.now() - Number(sessionStorage.getItem('begun'))")


def _fill(folder: Path) -> tuple[int, dict[str, str]]:
    """An open campaign on a made-up city, and the cookies of an expert."""
    from django.test import Client

    from fusion.world.plan import plan_world
    from fusion.world.render import render_city
    from geoquorum.catalog import services as catalog
    from tests import given

    project = given.project(is_simulated=True)
    region = catalog.get_region(project=project, name="Testford", is_simulated=True)
    world = plan_world(1, cities=1, cells=CELLS)
    files = render_city(world, world.cities[0], folder)
    catalog.ingest(region=region, paths=list(files.sentinel2.values()), modality="sentinel2")
    catalog.ingest(region=region, paths=[files.sentinel1], modality="sentinel1")
    campaign = given.campaign(project, samples=catalog.cut_patches(region=region))
    client = Client()
    client.force_login(given.member(project))
    return campaign.pk, {"sessionid": client.cookies["sessionid"].value}


def _report(found: dict[str, list[float]]) -> dict[str, Any]:
    ours, reloaded = statistics.median(found["steady"]), statistics.median(found["reloaded"])
    spread = {
        name: {"median": round(statistics.median(waits), 1), "p95": round(_p95(waits), 1), "n": len(waits)}
        for name, waits in found.items()
    }
    return {
        "benchmark": "vote_page",
        "unit": "ms from the key to the next patch painted, median",
        "ours": round(ours, 1),
        "against": {"the page loaded anew": round(reloaded, 1)},
        "ratio": {"the page loaded anew": round(ours / reloaded, 4)},
        "also": spread | {"load": round(os.getloadavg()[0], 1), "processors": os.cpu_count()},
    }


def _p95(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=20, method="inclusive")[-1]


def _find_chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("There is no Chromium on this machine; install it, or measure elsewhere.")
    return path


def _prepare(home: Path) -> None:
    """This process's own Django looks at the server's database."""
    for name in OWN_NAMES:
        os.environ.pop(name, None)
    os.environ |= {"GEOQUORUM_HOME": str(home), "DJANGO_SETTINGS_MODULE": "geoquorum.settings"}
    import django

    django.setup()


if __name__ == "__main__":
    main()
