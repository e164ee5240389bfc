"""Dataset versions: frozen from a consensus, verified, and never changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from django.db import IntegrityError, transaction

from fusion.errors import BadInputError, UnknownKindError
from fusion.pack import Pack
from geoquorum.accounts.models import Event
from geoquorum.campaigns.models import Consensus, ConsensusRun
from geoquorum.catalog import pixels
from geoquorum.catalog.models import Sample
from geoquorum.queue import claims
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import Claim, LeaseLost, reap, request_cancel
from geoquorum.releases import services
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db
BLOCKS = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}


def frozen(run: ConsensusRun, **choices) -> DatasetVersion:
    """A version of one consensus run, split by block unless told otherwise, built here and now."""
    asked = {"run": run, "name": "zones", "modalities": given.MODALITIES, "design": BLOCKS, "by": None}
    made = services.start_release(**asked | choices)
    given.work(made.job, services.build)
    made.refresh_from_db()
    return made


@pytest.fixture
def run(shared_run, settings, tmp_path):
    """The consensus on one made-up city; what is built from it lies in a folder of the test."""
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return ConsensusRun.objects.select_related("campaign__project", "round").get(pk=shared_run.pk)


def test_a_version_waits_in_the_queue_until_it_is_built(run):
    version = services.start_release(
        run=run, name="My zones", modalities=given.MODALITIES, design=BLOCKS, by=given.user()
    )
    assert (version.state, version.sha256, str(version)) == (BuildState.QUEUED, "", "my-zones 1")
    assert (version.job.state, version.job.queue) == (JobState.QUEUED, "data")
    assert Event.objects.filter(action="release started", actor=version.created_by).count() == 1


def test_a_built_version_is_a_pack_that_opens_and_verifies():
    version = given.version(given.project(), cities=3)
    assert version.state == BuildState.READY, version.reason
    pack = Pack.open(Path(version.uri), sha256=version.sha256, verify=True)
    assert (pack.manifest["name"], pack.manifest["number"]) == ("zones", 1)
    assert len(pack) == version.summary["samples"] == 3 * given.CELLS**2
    assert set(pack.array_names) == {"sentinel1", "sentinel2"}
    assert list(pack.manifest["targets"]) == ["lcz17"]
    assert version.size_bytes == sum(path.stat().st_size for path in Path(version.uri).rglob("*") if path.is_file())
    assert pack.manifest["provenance"]["simulated"] is True
    assert pack.manifest["provenance"]["voters"] == {"simulated": 3}


def test_held_out_cities_are_whole_and_named():
    version = given.version(given.project(), cities=3)
    pack = Pack.open(Path(version.uri))
    cities = np.array(pack.samples.column("city").to_pylist())
    splits = np.array(pack.samples.column("split").to_pylist())
    for split, names in version.summary["cities"].items():
        assert set(cities[splits == split]) == set(names)
        assert version.summary["splits"][split] == given.CELLS**2
    leaks = version.summary["leaks"]
    assert leaks["overlaps"] == leaks["shared"]["block"]["groups"] == 0


def test_pack_rows_carry_the_consensus_and_the_pixels_of_their_sample(run):
    version = frozen(run)
    pack = Pack.open(Path(version.uri))
    values = pack.array("sentinel2").gather(np.arange(len(pack)))
    for place, row in enumerate(pack.samples.to_pylist()):
        consensus = run.rows.get(sample__key=row["id"])
        assert row["label"] == consensus.code
        assert row["votes"] == consensus.counts
        assert row["distribution"] == pytest.approx(consensus.distribution)
        assert consensus.status in row["flags"]
        read = pixels.read_samples([consensus.sample], "sentinel2", "summer")
        assert np.array_equal(values[place], read.values[0])


def test_the_same_votes_and_files_give_the_same_bytes(run):
    first, second = frozen(run, seed=3), frozen(run, seed=3)
    one, two = (json.loads((Path(version.uri) / "pack.json").read_text()) for version in (first, second))
    assert one["files"] == two["files"]
    assert {**one, "number": 0} == {**two, "number": 0}
    assert frozen(run, seed=3, name="others").sha256 != first.sha256


def test_the_same_request_in_another_place_has_the_same_checksum(run, settings, tmp_path):
    first = frozen(run)
    settings.GEOQUORUM_DATA = tmp_path / "another"
    DatasetVersion.objects.filter(pk=first.pk).delete()
    second = frozen(run)
    assert second.uri != first.uri
    assert second.sha256 == first.sha256


def test_the_number_counts_up_within_a_name(run):
    assert [frozen(run).number, frozen(run).number, frozen(run, name="other").number] == [1, 2, 1]


def test_a_built_version_does_not_change_when_its_job_runs_again(run):
    version = frozen(run)
    before = DatasetVersion.objects.filter(pk=version.pk).values().get()
    files = {path: path.stat().st_mtime_ns for path in Path(version.uri).rglob("*")}
    Job.objects.filter(pk=version.job_id).update(state=JobState.QUEUED)
    job = given.work(version.job, services.build)
    assert (job.state, job.result["sha256"]) == (JobState.DONE, version.sha256)
    assert DatasetVersion.objects.filter(pk=version.pk).values().get() == before
    assert {path: path.stat().st_mtime_ns for path in Path(version.uri).rglob("*")} == files


def test_an_attempt_that_lost_its_job_changes_nothing(run, monkeypatch):
    """It is at work when another attempt publishes; neither its end nor its failure reaches the row."""
    version = services.start_release(run=run, name="zones", modalities=given.MODALITIES, design=BLOCKS, by=None)
    stale = claims.claim_job(version.job_id, "stale worker")
    claim = Claim(stale)
    Job.objects.filter(pk=version.job_id).update(state=JobState.QUEUED)
    given.work(version.job, services.build)
    version.refresh_from_db()
    DatasetVersion.objects.filter(pk=version.pk).update(state=BuildState.QUEUED)
    with pytest.raises(LeaseLost):
        services.build(stale, claim)
    version.refresh_from_db()
    assert version.state != BuildState.FAILED
    assert version.uri.endswith("attempt2")


def test_a_ready_version_without_a_checksum_is_refused_by_the_database(run):
    version = services.start_release(run=run, name="zones", modalities=given.MODALITIES, design=BLOCKS, by=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        DatasetVersion.objects.filter(pk=version.pk).update(state=BuildState.READY)


def test_rows_are_chosen_by_status_and_flag(run):
    rows = list(run.rows.order_by("sample__key"))
    for row in rows[:4]:
        row.status = Consensus.Status.DISPUTED
    rows[0].flags = ["tie"]
    rows[5].flags = ["few_votes"]
    Consensus.objects.bulk_update(rows, ["status", "flags"])
    disputed = run.rows.filter(status=Consensus.Status.DISPUTED).count()
    settled = frozen(run, statuses=("settled",))
    assert settled.summary["samples"] == settled.summary["settled"] == len(rows) - disputed
    chosen = frozen(run, without_flags=("tie", "few_votes"))
    kept = Pack.open(Path(chosen.uri)).samples.column("id").to_pylist()
    assert rows[0].sample.key not in kept
    assert rows[5].sample.key not in kept
    assert rows[1].sample.key in kept


def test_blocks_split_one_city_and_a_buffer_leaves_samples_out(run):
    version = frozen(run, design={"kind": "block", "block_m": 320.0, "buffer_m": 330.0})
    assert version.state == BuildState.READY, version.reason
    assert version.summary["unused"] > 0
    assert sum(version.summary["splits"].values()) + version.summary["unused"] == version.summary["samples"]


def test_patches_that_share_ground_are_refused(run):
    """A copy of a city under another name, held out for the test, is the same ground."""
    project = run.campaign.project
    twin = given.region(project, "Twin", epsg=run.rows.first().sample.epsg)
    rows = list(run.rows.select_related("sample"))
    for scene in rows[0].sample.region.scenes.all():
        assets = list(scene.assets.all())
        scene.pk, scene.region = None, twin
        scene.save()
        for asset in assets:
            asset.pk, asset.scene = None, scene
            asset.save()
    for row in rows[:2]:
        copy = row.sample
        copy.pk, copy.region, copy.key, copy.block = None, twin, f"{copy.key}-twin", "twin"
        copy.save()
        row.pk, row.sample = None, copy
        row.save()
    version = frozen(run, design={"kind": "city", "test": ["Twin"]})
    assert version.state == BuildState.FAILED
    assert "share ground" in version.reason
    assert rows[0].sample.key in version.reason
    assert version.job.state == JobState.FAILED
    assert not version.uri


def test_a_block_in_two_splits_is_refused():
    """Samples of one block are alike, wherever their cities are said to be."""
    project = given.project()
    regions = [given.city(project, number) for number in (0, 1)]
    Sample.objects.filter(project=project).update(block="one")
    version = frozen(given.consensus(project, regions), design={"kind": "city", "test": [regions[0].name]})
    assert version.state == BuildState.FAILED
    assert "more than one split, first 'one'" in version.reason


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"modalities": []}, "at least one modality"),
        ({"modalities": [given.MODALITIES[1]] * 2}, "each with one season"),
        ({"design": {"kind": "luck"}}, "'luck'.*block, city"),
        ({"statuses": ()}, "settled, disputed"),
        ({"statuses": ("certain",)}, "settled, disputed"),
        ({"without_flags": ("ugly",)}, "'ugly'.*tie, weak, few_votes"),
    ],
)
def test_a_request_that_cannot_be_is_refused_at_once(run, choices, said):
    with pytest.raises(BadInputError, match=said):
        frozen(run, **choices)
    assert not run.versions.exists()


def test_an_unknown_modality_is_answered_with_the_known_ones(run):
    with pytest.raises(UnknownKindError, match=r"'sentinel9'.*sentinel1"):
        frozen(run, modalities=[{"modality": "sentinel9", "season": ""}])


def test_a_consensus_that_is_not_ready_cannot_be_frozen(run):
    ConsensusRun.objects.filter(pk=run.pk).update(state=ConsensusRun.State.QUEUED)
    run.refresh_from_db()
    with pytest.raises(BadInputError, match="wait until it is ready"):
        frozen(run)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"modalities": [{"modality": "sentinel2", "season": "winter"}]}, "no sentinel2 scene of winter"),
        ({"design": {"kind": "city", "test": ["Atlantis"]}}, "Atlantis"),
    ],
)
def test_a_version_that_fails_says_why(run, choices, said):
    version = frozen(run, **choices)
    assert version.state == BuildState.FAILED
    assert said in version.reason
    assert said in version.job.reason
    assert not list(Path(version.uri or "/nonexistent").glob("*"))


def test_no_row_chosen_says_what_to_change(run):
    run.rows.update(status=Consensus.Status.DISPUTED)
    assert "Take in more statuses" in frozen(run, statuses=("settled",)).reason


def test_samples_without_a_place_are_refused_by_name(run):
    """They have no pixels on any scene, so that nothing can be cut for them."""
    Sample.objects.filter(pk=run.rows.first().sample_id).update(cell="", longitude=None, latitude=None, region=None)
    assert "needs a grid cell" in frozen(run).reason


def test_samples_of_two_sizes_are_not_mixed(run):
    Sample.objects.filter(pk=run.rows.first().sample_id).update(width_px=16, pixel_size_m=20)
    assert "16 px of 20 m, 32 px of 10 m" in frozen(run).reason


def test_regions_with_other_bands_are_not_mixed(run):
    project = run.campaign.project
    second = given.city(project, 1)
    run = given.consensus(project, [second, run.rows.first().sample.region])
    asset = second.scenes.get(modality="sentinel2").assets.get()
    asset.bands = [*asset.bands[:-1], "unknown"]
    asset.save()
    reason = frozen(run, design={"kind": "city", "test": [second.name]}).reason
    assert second.name in reason
    assert "cannot be one array" in reason


def test_a_patch_with_most_pixels_missing_is_left_out(run, monkeypatch):
    from geoquorum.releases import reading

    def read_with_a_hole(samples, *words):
        read = pixels.read_samples(samples, *words)
        read.valid[0] = False
        return read

    monkeypatch.setattr(reading, "read_samples", read_with_a_hole)
    version = frozen(run)
    assert version.summary["left_out"] == 1
    assert version.summary["samples"] == run.rows.count() - 1


def test_a_cancelled_build_ends_as_failed_with_that_reason(run):
    version = services.start_release(run=run, name="zones", modalities=given.MODALITIES, design=BLOCKS, by=None)
    request_cancel(version.job)
    assert services.settle() == 1
    version.refresh_from_db()
    assert (version.state, version.reason) == (BuildState.FAILED, "Cancelled on request.")
    assert services.settle() == 0


def test_a_version_whose_worker_always_dies_ends_as_failed(run):
    version = services.start_release(run=run, name="zones", modalities=given.MODALITIES, design=BLOCKS, by=None)
    Job.objects.filter(pk=version.job_id).update(
        state=JobState.RUNNING, attempts=3, lease_until="2020-01-01T00:00Z", started_at="2020-01-01T00:00Z"
    )
    reap()
    services.settle()
    version.refresh_from_db()
    assert version.state == BuildState.FAILED
    assert "worker gone" in version.reason
