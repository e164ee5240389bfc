"""Modalities that not every city has: flagged in the pack, left out where they are needed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from annotation import exporter as exporters
from fusion.baselines import random_forest
from fusion.errors import BadInputError
from fusion.pack import Pack
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.catalog.models import Scene
from geoquorum.releases import cuts, services
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given
from tests.geoquorum.releases.chunked import consensus

pytestmark = pytest.mark.django_db
OPTIONAL = [{"modality": "sentinel1", "season": "", "optional": True}, {"modality": "sentinel2", "season": "summer"}]
BLIND = 1  # the city without radar


@pytest.fixture(scope="module")
def shared_run(shared_rows: None) -> ConsensusRun:
    run = consensus(given.project())
    Scene.objects.filter(modality="sentinel1", region__name=cities(run)[BLIND]).delete()
    return run


@pytest.fixture
def run(shared_run: ConsensusRun, settings: Any, tmp_path: Path) -> ConsensusRun:
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return ConsensusRun.objects.select_related("campaign__project", "round").get(pk=shared_run.pk)


def cities(run: ConsensusRun) -> list[str]:
    return sorted({row.sample.region.name for row in run.rows.select_related("sample__region")})


def build(run: ConsensusRun, modalities: list[dict[str, Any]]) -> DatasetVersion:
    design = {"kind": "city", "validation": [], "test": cities(run)[2:]}
    version = services.start_release(run=run, name="zones", modalities=modalities, design=design, by=None)
    given.work(version.job, services.build)
    version.refresh_from_db()
    return version


def test_samples_of_a_city_without_radar_are_flagged_and_empty_in_memory_and_in_parts(
    run: ConsensusRun, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = build(run, OPTIONAL)
    assert version.state == BuildState.READY, version.reason
    pack = Pack.open(Path(version.uri), verify=True)
    is_blind = np.array([city == cities(run)[BLIND] for city in pack.samples.column("city").to_pylist()])
    assert 0 < is_blind.sum() < len(pack)
    assert (pack.present("sentinel1") == ~is_blind).all()
    assert pack.present("sentinel2").all()
    assert version.summary["present"] == {"sentinel1": int((~is_blind).sum())}
    radar = pack.array("sentinel1").gather(np.arange(len(pack)))
    assert (radar[is_blind] == 0).all()
    assert (radar[~is_blind] != 0).any(axis=(1, 2, 3)).all()

    DatasetVersion.objects.filter(pk=version.pk).delete()
    settings.GEOQUORUM_DATA = tmp_path / "parts"
    monkeypatch.setattr(cuts, "IN_MEMORY_BYTES", 1)
    again = build(run, OPTIONAL)
    assert again.job.parts.count() == 5  # of six: three cities, two sensors
    assert again.sha256 == version.sha256


def test_what_needs_radar_takes_the_samples_that_have_it(run: ConsensusRun) -> None:
    pack = Pack.open(Path(build(run, OPTIONAL).uri))
    train, with_radar = pack.indices("train"), pack.indices("train", having=["sentinel1", "sentinel2"])
    assert set(with_radar) == {row for row in train if pack.present("sentinel1")[row]} < set(train)
    found = random_forest.fit_predict(pack, ["sentinel1"], split="train", trees=3, jobs=1)
    assert len(found) == len(with_radar)
    with pytest.raises(BadInputError, match=r"no place for what is missing: \d+ of \d+ samples have no sentinel1"):
        exporters.find("so2sat_hdf5").export(pack.folder, pack.folder.parent / "export", None)


def test_radar_that_must_be_there_is_missed_by_name(run: ConsensusRun) -> None:
    version = build(run, given.MODALITIES)
    assert version.state == BuildState.FAILED
    assert f"Region '{cities(run)[BLIND]}' has no sentinel1 scene" in version.reason


def test_a_sample_that_has_nothing_at_all_is_left_out(run: ConsensusRun) -> None:
    version = build(run, OPTIONAL[:1])
    assert version.summary["left_out"] == run.rows.filter(sample__region__name=cities(run)[BLIND]).count()
    assert version.summary["present"] == {"sentinel1": version.summary["samples"]}
    assert Pack.open(Path(version.uri)).manifest["arrays"]["sentinel1"]["presence"] == "all"


def test_what_no_city_has_and_an_optional_series_are_refused(run: ConsensusRun) -> None:
    version = build(run, [*OPTIONAL, {"modality": "elevation", "season": "", "optional": True}])
    assert version.state == BuildState.FAILED
    assert "No region of these samples has a scene of elevation. Leave it out." in version.reason
    with pytest.raises(BadInputError, match="A series of sentinel2 holds the dates that all regions share"):
        build(run, [{"modality": "sentinel2", "season": "*", "optional": True}])


def test_the_page_offers_what_some_cities_have_and_tells_how_many_samples(run: ConsensusRun, client: Any) -> None:
    client.force_login(given.member(run.campaign.project, "curator"))
    page = client.get(reverse("releases:new", args=[run.pk])).content.decode()
    assert "in 2 of 3 regions" in page
    asked = {"name": "zones", "statuses": ["settled", "disputed"], "design": "city", "test": cities(run)[2:]}
    client.post(
        reverse("releases:new", args=[run.pk]),
        asked | {"modalities": ["sentinel1::optional", "sentinel2:summer"]},
    )
    version = DatasetVersion.objects.get(consensus_run=run)
    assert version.modalities == OPTIONAL
    given.work(version.job, services.build)
    version.refresh_from_db()
    page = client.get(reverse("releases:detail", args=[version.pk])).content.decode()
    count, of = version.summary["present"]["sentinel1"], version.summary["samples"]
    assert f"sentinel1: {count} of {of}" in page
    assert "(where there is one)" in page
