"""On row D2: photos with faces and number plates that nobody reviewed or blurred leave in no version and no export."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation import exporter as exporters
from annotation.panel import make_panel
from fusion.errors import BadInputError
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.catalog.media import MODALITIES, find_photo
from geoquorum.catalog.models import Sample
from geoquorum.releases import services
from geoquorum.releases.models import DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db
WORDS = ("faces and number plates", "neither reviewed nor blurred", "Choose modalities of scenes")
DESIGN = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}


@pytest.fixture(scope="module")
def run(shared_rows: None) -> ConsensusRun:
    """A READY consensus on street photos of a made-up city, which has scenes of the ground as well."""
    made = given.photo_campaign(given.project(), count=8, quota=1)

    samples = list(Sample.objects.filter(kind="street_view").order_by("pk"))
    panel = make_panel(1, experts=1, scheme="building_use")
    said = panel.vote([0] * len(samples), 1, sample_ids=tuple(sample.pk for sample in samples))
    table = campaigns.tabulate_panel(said, panel.codes)
    campaigns.import_votes(round=campaigns.current_round(campaign=made), table=table, by=None)
    campaigns.close_campaign(campaign=made, by=None)
    found = made.consensus_runs.select_related("campaign__project", "job").get(method="majority")
    given.work(found.job, campaigns.refit)
    found.refresh_from_db()
    return found


def ask(run: ConsensusRun, *names: str, design: dict[str, Any] | None = None) -> DatasetVersion:
    wanted = [{"modality": name, "season": ""} for name in names]
    return services.start_release(run=run, name="views", modalities=wanted, design=design or DESIGN, by=None)


@pytest.mark.parametrize("names", [("street_view",), ("post_image",), ("sentinel2", "street_view"), ()])
def test_a_version_with_photos_is_refused_and_says_what_to_do(run: ConsensusRun, names: tuple[str, ...]) -> None:
    with pytest.raises(BadInputError) as caught:
        ask(run, *names)
    for words in (*WORDS, run.campaign.name):
        assert words in str(caught.value)
    assert not DatasetVersion.objects.exists()


def test_the_page_says_so_and_starts_nothing(run: ConsensusRun, client: Client) -> None:
    client.force_login(given.member(run.campaign.project, "curator"))
    fields = {"name": "views", "statuses": ["settled"], "design": "block", "block_m": 320, "buffer_m": 0}
    answer = client.post(reverse("releases:new", args=[run.pk]), fields | {"modalities": ["street_view:"]})
    assert answer.status_code == 400
    assert not DatasetVersion.objects.exists()


def test_every_modality_of_photos_is_held_back() -> None:
    assert set(MODALITIES) == {"street_view", "post_image"}


def test_a_version_of_the_ground_and_all_its_exports_hold_no_photo(run: ConsensusRun) -> None:
    half = {"kind": "random", "share": 0.5, "limits": dict.fromkeys(("block", "scene", "photo", "user"), 1)}
    Sample.objects.filter(kind="street_view").update(pixel_size_m=0.01, width_px=32)
    version = ask(run, "sentinel2", design=half)
    given.work(version.job, services.build)
    version.refresh_from_db()
    assert version.state == "ready", version.reason
    for name in exporters.load_all():
        export = services.start_export(version=version, exporter=name, by=None)
        try:
            given.work(export.job, services.execute_export)
        except BadInputError:
            continue  # a format that holds no such samples, and says so
    photos = [Path(find_photo(sample).uri).read_bytes() for sample in Sample.objects.filter(kind="street_view")]
    assert len(photos) == 8
    folder = Path(version.uri).parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        content = path.read_bytes()
        assert b"\xff\xd8\xff\xe0" not in content, path.name
        assert not any(photo[200:400] in content for photo in photos), path.name
