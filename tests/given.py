"""Plain functions that make rows for tests."""

import itertools
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import make_password
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from annotation.panel import make_panel
from fusion import scheme as schemes
from fusion.world.plan import plan_world
from fusion.world.render import CityFiles, render_city
from fusion.world.world import City
from geoquorum.accounts.models import Expert, Membership, Project, User
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign, ConsensusRun
from geoquorum.catalog import made_up
from geoquorum.catalog import services as catalog
from geoquorum.catalog.models import Reference, Region, Sample
from geoquorum.queue.models import Job
from geoquorum.queue.services import run_claimed
from geoquorum.releases import services as releases
from geoquorum.releases.models import DatasetVersion

CITIES, CELLS = 3, 4
MODALITIES = [{"modality": "sentinel1", "season": ""}, {"modality": "sentinel2", "season": "summer"}]
PASSWORD = "a long enough passphrase"
_count = itertools.count(1)


def user(name: str = "", **fields: Any) -> User:
    """An account; its password is PASSWORD."""
    return User.objects.create(username=name or f"user{next(_count)}", password=_password_hash(), **fields)


@cache
def _password_hash() -> str:
    """Hashing takes a quarter of a second, on purpose; once is enough for all tests."""
    return make_password(PASSWORD)


def project(name: str = "", **fields: Any) -> Project:
    """A project without members."""
    number = next(_count)
    return Project.objects.create(name=name or f"Project {number}", slug=f"project-{number}", **fields)


def member(project: Project, role: str = "expert", name: str = "") -> User:
    """An account with a role in a project."""
    account = user(name)
    Membership.objects.create(project=project, user=account, role=role)
    return account


def expert(project: Project, account: User | None = None, **fields: Any) -> Expert:
    """A pseudonym, with or without an account behind it."""
    return Expert.objects.create(**{"project": project, "user": account, "pseudonym": f"E{next(_count)}"} | fields)


def region(project: Project, name: str = "Testford", **fields: Any) -> Region:
    """A region without scenes."""
    return Region.objects.create(project=project, name=name, slug=f"{name.lower()}-{next(_count)}", **fields)


def sample(project: Project, region: Region | None = None, **fields: Any) -> Sample:
    """A patch; without further fields it has no place on the ground."""
    return Sample.objects.create(
        **{"project": project, "region": region, "kind": Sample.Kind.PATCH, "key": f"sample-{next(_count)}"} | fields
    )


def area(project: Project, polygon: BaseGeometry | None, code: str = "", **fields: Any) -> Sample:
    """A training area in longitude and latitude; with a code that is its reference."""
    place = {} if polygon is None else {"footprint": mapping(polygon)}
    made = sample(project, **{"kind": Sample.Kind.AREA, "key": f"area-{next(_count)}"} | place | fields)
    if code:
        Reference.objects.create(sample=made, scheme="lcz17", code=code, source="training area: drawn.kml")
    return made


def samples(project: Project, count: int, region: Region | None = None) -> list[Sample]:
    """Many patches at once."""
    return Sample.objects.bulk_create(
        Sample(project=project, region=region, kind=Sample.Kind.PATCH, key=f"sample-{next(_count)}")
        for _ in range(count)
    )


def campaign(project: Project, count: int = 10, quota: int = 3, is_open: bool = True, **fields: Any) -> Campaign:
    """A campaign about Local Climate Zones on `count` new patches, open unless told otherwise."""
    made = services.create_campaign(
        **{"project": project, "name": f"Campaign {next(_count)}", "question": "lcz_patch", "scheme": "lcz17"}
        | {"samples": samples(project, count), "quota": quota, "by": None}
        | fields
    )
    return services.open_campaign(campaign=made, by=None) if is_open else made


@cache
def _world_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="geoquorum-world-", ignore_cleanup_errors=True)


@cache
def city_files(number: int = 0) -> tuple[City, CityFiles]:
    """One of three made-up cities of 4 x 4 cells, rendered once for the whole test run."""
    world = plan_world(2, cities=CITIES, cells=CELLS)
    city = world.cities[number]
    return city, render_city(world, city, Path(_world_folder().name), ("summer",))


def city(project: Project, number: int = 0) -> Region:
    """A made-up city taken in by the ordinary ingest, cut into 16 patches, its truth attached as references."""
    planned, files = city_files(number)
    made = catalog.get_region(project=project, name=planned.name, is_simulated=True, culture_zone=planned.culture_zone)
    catalog.ingest(region=made, paths=[files.sentinel1], modality="sentinel1")
    catalog.ingest(region=made, paths=[files.sentinel2["summer"]], modality="sentinel2", season="summer")
    patches = catalog.cut_patches(region=made)
    scheme = schemes.find("lcz17")
    values = {label.value: label.code for label in scheme.classes}
    catalog.attach_references(
        samples=patches, path=files.truth, band="lcz17", scheme=scheme, values=values, source="simulated truth"
    )
    return made


def work(job: Job, service: Any) -> Job:
    """Does a queued job here and now, as a worker would; answers its row afterwards."""
    run_claimed(job.pk, service)
    job.refresh_from_db()
    return job


def consensus(project: Project, regions: list[Region], experts: int = 3) -> ConsensusRun:
    """The majority of simulated experts who know the references of these cities rather well, as a READY run."""
    truth = {row.sample_id: row.code for row in Reference.objects.filter(sample__region__in=regions)}
    made = campaign(project, samples=list(Sample.objects.filter(pk__in=truth).order_by("pk")), quota=experts)
    panel = make_panel(1, experts=experts, accuracy=0.9)
    ids = tuple(sorted(truth))
    votes = panel.vote([panel.codes.index(truth[pk]) for pk in ids], 1, sample_ids=ids)
    table = services.tabulate_panel(votes, panel.codes)
    services.import_votes(round=services.current_round(campaign=made), table=table, by=None)
    services.close_campaign(campaign=made, by=None)
    run = made.consensus_runs.select_related("campaign__project", "job").get(method="majority")
    work(run.job, services.refit)
    run.refresh_from_db()
    return run


def version(project: Project, cities: int = 1, **choices: Any) -> DatasetVersion:
    """A READY dataset version: of one city split by blocks, or of three, the last of which is held out whole."""
    regions = [city(project, number) for number in range(cities)]
    names = [region.name for region in regions]
    design: dict[str, Any] = {"kind": "city", "validation": names[1:-1], "test": names[-1:]}
    if cities == 1:
        design = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}
    run = consensus(project, regions)
    asked = {"run": run, "name": "zones", "modalities": MODALITIES, "design": design, "by": None}
    made = releases.start_release(**asked | choices)
    work(made.job, releases.build)
    made.refresh_from_db()
    return made


def street_photos(project: Project, count: int = 8) -> list[Sample]:
    """Street photos of the first made-up city, taken in by the ordinary ingest beside its satellite scenes."""
    planned, _files = city_files()
    folder = Path(_world_folder().name) / "photos"
    return made_up.take_photos(region=city(project), city=planned, folder=folder, count=count)


def posts(project: Project, count: int = 12) -> list[Sample]:
    """Invented posts of the first made-up city, taken in by the ordinary ingest beside its satellite scenes."""
    planned, _files = city_files()
    folder = Path(_world_folder().name) / "posts"
    return made_up.take_posts(region=city(project), city=planned, folder=folder, count=count)


def photo_campaign(project: Project, count: int = 8, quota: int = 3) -> Campaign:
    """An open campaign about the use of buildings on street photos."""
    made = {"question": "street_view_building", "scheme": "building_use", "samples": street_photos(project, count)}
    return campaign(project, quota=quota, **made)


def post_campaign(project: Project, count: int = 12, quota: int = 3) -> Campaign:
    """An open campaign about what posts tell of buildings."""
    made = {"question": "social_post", "scheme": "post_building_function", "samples": posts(project, count)}
    return campaign(project, quota=quota, **made)


def review_campaign(project: Project, quota: int = 3) -> Campaign:
    """An open campaign that asks of each patch of a made-up city whether its true class is right."""
    rows = Reference.objects.filter(sample__region=city(project), scheme="lcz17")
    proposals = {row.sample_id: row.code for row in rows}
    made = services.create_review(project=project, name="Review", proposals=proposals, quota=quota, by=None)
    return services.open_campaign(campaign=made, by=None)
