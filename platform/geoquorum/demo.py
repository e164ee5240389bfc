"""The demo: a made-up world goes through the same services and jobs as real work, from votes to a map.

Every stage looks first whether it stands already, so that an interrupted demo goes on and a second one only looks.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from annotation import question as questions
from annotation.panel import make_panel
from fusion import scheme as schemes
from fusion.errors import GeoquorumError
from fusion.world.plan import plan_world
from fusion.world.render import CityFiles, render_city, write_description
from fusion.world.world import City
from geoquorum.accounts.models import Project, Role, User
from geoquorum.accounts.services import add_member
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import Campaign, CampaignState, ConsensusRun
from geoquorum.catalog import made_up
from geoquorum.catalog import services as catalog
from geoquorum.catalog.linking import link_region
from geoquorum.catalog.models import Reference, Region, Sample
from geoquorum.catalog.registering import register_region
from geoquorum.queue.models import Job, JobState
from geoquorum.releases import services as releases
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import mapping
from geoquorum.training import services as training
from geoquorum.training.models import MapProduct, Run, RunState

FIRST_SEED = 1
VOTED_CITIES = 6  # four to train on, one to choose by, one held out
CELLS = 20
EXPERTS = 10
PHOTOS, POSTS = 24, 40
TRUTH = "simulated truth"
MODALITIES = [{"modality": "sentinel1", "season": ""}, {"modality": "sentinel2", "season": "summer"}]
LOGINS = (("admin", Role.ADMIN), ("curator", Role.CURATOR), ("expert-1", Role.EXPERT), ("expert-2", Role.EXPERT))
# Sen2LCZ at depth 9: at depth 17 it needs more steps than a minute of two cores allows.
SPEC: dict[str, Any] = {
    "epochs": 40,
    "batch_size": 32,
    "learning_rate": 0.002,
    "calibration": "temperature",
    "max_seconds": 80,
    "threads": 1,
    "network": {"width": 8, "depth": 9, "dropout": 0.1},
}
Say = Callable[[str], None]


@dataclass(kw_only=True)
class Demo:
    """What stands after the demo, and how long each stage took."""

    project: Project
    seed: int
    closed: Campaign | None = None
    open: Campaign | None = None
    version: DatasetVersion | None = None
    run: Run | None = None
    map: MapProduct | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def build_demo(*, seed: int | None, say: Say) -> Demo:
    """All stages in order. Without a seed the standing demo is used; with one a project of its own is made anew."""
    project, seed = _find_project(seed)
    demo = Demo(project=project, seed=seed)
    stages: tuple[tuple[str, Callable[[Demo], None]], ...] = (
        ("world", _make_world),
        ("votes", _collect_votes),
        ("photos, posts", _take_photos_and_posts),
        ("consensus", _find_consensus),
        ("release", _freeze_version),
        ("training", _train),
        ("map", _draw_map),
    )
    for name, stage in stages:
        with _clock(demo, name, say):
            stage(demo)
    return demo


def make_logins() -> dict[str, str]:
    """Random passwords for the demo's accounts, kept in a file that only its owner may read."""
    path = settings.GEOQUORUM_HOME / "demo-logins.json"
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, _role in LOGINS:
        if name not in found or not User.objects.filter(username=name).exists():
            found[name] = secrets.token_urlsafe(12)
            user, _created = User.objects.get_or_create(username=name)
            user.set_password(found[name])
            user.is_staff = user.is_superuser = name == "admin"
            user.save()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)
    return found


def describe_demo(demo: Demo) -> dict[str, Any]:
    """Figures of the demo for `--check`, consensus measured against the world's known truth."""
    report = demo.run.report
    forest, majority = report["baselines"]["random_forest"]["oa"], report["baselines"]["majority_class"]["oa"]
    accuracy = {run.method: _accuracy(run) for run in demo.closed.consensus_runs.all()}
    return {
        "seed": demo.seed,
        "samples": demo.version.summary["samples"],
        "votes": demo.version.consensus_run.votes_count,
        "consensus_accuracy": accuracy["dawid_skene"],
        "majority_accuracy": accuracy["majority"],
        "test_oa": round(report["test"]["oa"]["value"], 4),
        "test_oa_interval": _interval(report["test"]["oa"]),
        "random_forest_oa": round(forest["value"], 4),
        "random_forest_oa_interval": _interval(forest),
        "majority_class_oa": round(majority["value"], 4),
        "difference": {name: _rounded(found) for name, found in report["difference"].items()},
        "map_oa": round(demo.map.summary["agreement"]["oa"]["value"], 4),
        "seconds": demo.seconds,
    }


def _find_project(seed: int | None) -> tuple[Project, int]:
    """The standing demo, or a new project for a seed that was asked for."""
    slug, number = "demo", 1
    if seed is not None:
        slug = f"demo-{seed}"
        while Project.objects.filter(slug=slug).exists():
            number += 1
            slug = f"demo-{seed}-{number}"
    name = "Demo" if seed is None else f"Demo, seed {seed}" + (f", {number}" if number > 1 else "")
    project, _created = Project.objects.get_or_create(
        slug=slug,
        defaults={"name": name, "is_simulated": True, "description": "A made-up world with simulated experts."},
    )
    for username, role in LOGINS:
        user = User.objects.get(username=username)
        if not project.memberships.filter(user=user, role=role).exists():
            add_member(project=project, user=user, role=role, by=None)
    return project, FIRST_SEED if seed is None else seed


def _make_world(demo: Demo) -> None:
    """Seven cities as GeoTIFFs, taken in by the ordinary ingest; the last one is left for people to vote on."""
    if demo.project.regions.filter(attributes__stage="ready").count() == VOTED_CITIES + 1:
        return
    world = plan_world(demo.seed, cities=VOTED_CITIES + 1, cells=CELLS)
    folder = settings.GEOQUORUM_DATA / "worlds" / f"seed-{demo.seed}"
    write_description(world, folder)
    with ProcessPoolExecutor(max_workers=min(os.cpu_count() or 1, 4), mp_context=get_context("spawn")) as pool:
        # Only names of fusion cross to the pool's processes, which know no Django.
        rendered = [pool.submit(render_city, world, city, folder / city.slug) for city in world.cities]
        for city, files in zip(world.cities, rendered, strict=True):
            _take_city(demo, city, files.result())


def _take_city(demo: Demo, city: City, files: CityFiles) -> None:
    region = catalog.get_region(
        project=demo.project, name=city.name, is_simulated=True, culture_zone=city.culture_zone, epsg=city.epsg
    )
    with transaction.atomic():
        catalog.ingest(region=region, paths=[files.sentinel1], modality="sentinel1")
        for season, path in files.sentinel2.items():
            catalog.ingest(region=region, paths=[path], modality="sentinel2", season=season)
        samples = catalog.cut_patches(region=region)
        scheme = schemes.find("lcz17")
        values = {index + 1: code for index, code in enumerate(scheme.codes)}
        catalog.attach_references(
            samples=samples, path=files.truth, band="lcz17", scheme=scheme, values=values, source=TRUTH
        )
        Region.objects.filter(pk=region.pk).update(attributes={"stage": "ready", "seed": demo.seed})
    register_region(region=region)


def _cities(demo: Demo) -> list[Region]:
    """The regions in the order in which the world names them."""
    return list(demo.project.regions.order_by("pk"))


def _collect_votes(demo: Demo) -> None:
    """One campaign that ten simulated experts have voted on, one that is open for people."""
    *voted, last = _cities(demo)
    scheme = schemes.find("lcz17")
    demo.open = _find_campaign(demo, "Vote on " + last.name, [last], quota=3)
    demo.closed = _find_campaign(demo, "Ten simulated experts", voted, quota=EXPERTS)
    if demo.closed.state == CampaignState.CLOSED:
        return
    references = Reference.objects.filter(sample__region__in=voted, scheme=scheme.name, source=TRUTH).order_by(
        "sample_id"
    )
    shares = np.array([reference.distribution for reference in references])
    panel = make_panel(demo.seed, EXPERTS, scheme.name)
    said = panel.vote(
        np.array([scheme.index(reference.code) for reference in references]),
        demo.seed,
        shares=shares,
        sample_ids=[reference.sample_id for reference in references],
    )
    current = campaigns.current_round(campaign=demo.closed)
    campaigns.import_votes(
        round=current, table=campaigns.tabulate_panel(said, scheme.codes), by=None, source="simulated panel"
    )
    campaigns.close_campaign(campaign=demo.closed, by=None)


def _take_photos_and_posts(demo: Demo) -> None:
    """Drawn street photos and invented posts of the city that is left for people, and a campaign on each."""
    region = _cities(demo)[-1]
    city = plan_world(demo.seed, cities=VOTED_CITIES + 1, cells=CELLS).cities[-1]
    folder = settings.GEOQUORUM_DATA / "worlds" / f"seed-{demo.seed}"
    if not region.samples.filter(kind=Sample.Kind.STREET_VIEW).exists():
        made_up.take_photos(region=region, city=city, folder=folder / "photos", count=PHOTOS, seed=demo.seed)
    if not region.samples.filter(kind=Sample.Kind.POST).exists():
        made_up.take_posts(region=region, city=city, folder=folder / "posts", count=POSTS, seed=demo.seed)
    link_region(region=region)
    about = {"regions": [region], "quota": 3}
    _find_campaign(demo, "Buildings of " + region.name, question="street_view_building", scheme="building_use", **about)
    _find_campaign(demo, "Posts from " + region.name, question="social_post", scheme="post_building_function", **about)


def _find_campaign(
    demo: Demo, name: str, regions: list[Region], *, quota: int, question: str = "lcz_patch", scheme: str = "lcz17"
) -> Campaign:
    found = demo.project.campaigns.filter(name=name).first()
    if found is not None:
        return found
    with transaction.atomic():
        campaign = campaigns.create_campaign(
            project=demo.project,
            name=name,
            question=question,
            scheme=scheme,
            samples=Sample.objects.filter(region__in=regions, kind=questions.find(question).sample_kind).order_by("pk"),
            quota=quota,
            by=None,
            seed=demo.seed,
        )
        return campaigns.open_campaign(campaign=campaign, by=None)


def _find_consensus(demo: Demo) -> None:
    """Closing has queued both methods; wait for them."""
    for run in demo.closed.consensus_runs.select_related("job"):
        if run.state != ConsensusRun.State.READY:
            wait_for(run.job)
    demo.closed.refresh_from_db()


def _freeze_version(demo: Demo) -> None:
    """Version 1: the fifth city chooses, the sixth is held out."""
    demo.version = demo.project.versions.filter(state="ready").order_by("pk").first()
    if demo.version is not None:
        return
    cities = [region.name for region in _cities(demo)]
    run = demo.closed.consensus_runs.get(method="dawid_skene")
    design = {"kind": "city", "validation": [cities[4]], "test": [cities[5]]}
    version = releases.start_release(
        run=run, name=f"{demo.project.slug}-lcz", modalities=MODALITIES, design=design, seed=demo.seed, by=None
    )
    wait_for(version.job)
    version.refresh_from_db()
    demo.version = version


def _train(demo: Demo) -> None:
    """One run of the task lcz on the votes' whole distributions."""
    demo.run = demo.project.runs.filter(state=RunState.DONE).order_by("pk").first()
    if demo.run is not None:
        return
    run = training.start_run(version=demo.version, task="lcz", by=None, changes=SPEC | {"seed": demo.seed})
    wait_for(run.job)
    run.refresh_from_db()
    demo.run = run


def _draw_map(demo: Demo) -> None:
    """The held-out city's map."""
    demo.map = MapProduct.objects.filter(run=demo.run, state=RunState.DONE).order_by("pk").first()
    if demo.map is not None:
        return
    product = mapping.start_map(run=demo.run, region=_cities(demo)[5], by=None)
    wait_for(product.job)
    product.refresh_from_db()
    demo.map = product


def wait_for(job: Job, *, patience_s: float = 900.0) -> None:
    """Until a worker has finished the job; GeoquorumError with the job's own reason when it failed."""
    deadline = time.monotonic() + patience_s
    while True:
        job.refresh_from_db()
        if job.state == JobState.DONE:
            return
        if job.is_over:
            raise GeoquorumError(f"{job}: {job.reason}")
        if time.monotonic() > deadline:
            raise GeoquorumError(
                f"{job} did not end within {patience_s:.0f} s; see the worker's log in the home folder."
            )
        time.sleep(0.25)


@contextmanager
def _clock(demo: Demo, name: str, say: Say) -> Iterator[None]:
    started = time.monotonic()
    yield
    demo.seconds[name] = round(time.monotonic() - started, 2)
    say(f"{name:<13} {demo.seconds[name]:.1f} s")


def _accuracy(run: ConsensusRun) -> float:
    """Share of a consensus run's labels that are the world's own."""
    truth = dict(Reference.objects.filter(sample__consensus__run=run, source=TRUTH).values_list("sample_id", "code"))
    rows = run.rows.values_list("sample_id", "code")
    return round(float(np.mean([truth[sample] == code for sample, code in rows])), 4)


def _interval(found: dict[str, float]) -> list[float]:
    return [round(found["low"], 4), round(found["high"], 4)]


def _rounded(found: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in found.items() if isinstance(value, float)}
