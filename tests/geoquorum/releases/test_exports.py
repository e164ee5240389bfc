"""A version in other formats: made once, checked, and handed out file by file."""

import csv
import hashlib
import io
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from django.urls import reverse

from annotation import exporter as exporters
from fusion import scheme as schemes
from fusion.errors import BadInputError, UnknownKindError
from fusion.pack import Pack
from geoquorum.accounts.models import Event
from geoquorum.campaigns.models import Vote
from geoquorum.queue.models import Job, JobState
from geoquorum.releases import services
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def shared_version(shared_rows):
    return given.version(given.project())


@pytest.fixture
def version(shared_version):
    return DatasetVersion.objects.select_related("project", "consensus_run").get(pk=shared_version.pk)


def make(version: DatasetVersion, exporter: str):
    export = services.start_export(version=version, exporter=exporter, by=None)
    given.work(export.job, services.execute_export)
    export.refresh_from_db()
    return export


def get_file(client, export, number: int) -> bytes:
    answer = client.get(reverse("releases:download", args=[export.pk, number]))
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_the_so2sat_layout_is_read_back_with_its_documented_shapes():
    version = given.version(given.project(), cities=3)
    export = make(version, "so2sat_hdf5")
    assert export.state == BuildState.READY, export.reason
    count, pack = given.CELLS**2, Pack.open(Path(version.uri))
    labels = pack.labels()
    for name, split in (("training", "train"), ("validation", "validation"), ("testing", "test")):
        rows = pack.indices(split)
        with h5py.File(Path(export.uri) / f"{name}.h5") as file:
            shapes = {key: file[key].shape for key in file}
            assert shapes == {
                "sen1": (count, 32, 32, 8),
                "sen2": (count, 32, 32, 10),
                "label": (count, 17),
                "votes": (count, 17),
                "label_distr": (count, 17),
            }
            assert file["sen2"].dtype == np.dtype("<f8")
            assert np.array_equal(file["label"][:].argmax(axis=1), labels[rows])
            stored = pack.array("sentinel2").gather(rows).transpose(0, 2, 3, 1)
            assert np.allclose(file["sen2"][:], stored * 1e-4)
            assert file["votes"][:].sum() == sum(map(sum, np.array(pack.samples["votes"].to_pylist())[rows]))
        with h5py.File(Path(export.uri) / f"{name}_geo.h5") as places:
            assert places["tfw"].shape == (count, 6)


def test_votes_are_exported_with_pseudonyms_and_only_those_of_the_version(version):
    export = make(version, "votes_csv")
    assert export.state == BuildState.READY, export.reason
    rows = list(csv.DictReader(io.StringIO((Path(export.uri) / "votes.csv").read_text())))
    run = version.consensus_run
    assert len(rows) == Vote.objects.filter(round=run.round, kind__in=["answer", "skip"]).count()
    assert {row["voter"] for row in rows} <= set(run.campaign.project.experts.values_list("pseudonym", flat=True))
    answers = [row for row in rows if row["answer"]]
    assert len(answers) == run.votes_count
    counts = dict(zip(*(Pack.open(Path(version.uri)).samples[key].to_pylist() for key in ("id", "votes")), strict=True))
    code = answers[0]["answer"]
    own = sum(row["answer"] == code for row in answers if row["sample"] == answers[0]["sample"])
    assert counts[answers[0]["sample"]][schemes.find("lcz17").codes.index(code)] == own


def test_votes_after_the_consensus_are_not_exported(version):
    table = services.read_votes(version)
    run = version.consensus_run
    run.last_vote = Vote.objects.filter(round=run.round).order_by("pk")[9].pk
    assert services.read_votes(version).num_rows == 10 < table.num_rows


@pytest.mark.parametrize("exporter", sorted(exporters.load_all()))
def test_the_same_version_gives_the_same_export(version, exporter):
    export = make(version, exporter)
    first = export.files
    export.state = BuildState.FAILED
    export.save()
    again = make(version, exporter)
    assert again.uri != export.uri
    assert again.files == first
    for file in again.files:
        content = (Path(again.uri) / file["path"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])


def test_a_ready_export_is_not_made_again(version):
    export = make(version, "votes_csv")
    jobs = Job.objects.count()
    again = services.start_export(version=version, exporter="votes_csv", by=None)
    assert (again.pk, again.state, Job.objects.count()) == (export.pk, BuildState.READY, jobs)


def test_an_export_that_fails_says_why_and_can_be_asked_for_again(version, monkeypatch):
    def write_nothing(*_):
        raise BadInputError("The ink is dry.")

    with monkeypatch.context() as patch:
        patch.setattr("annotation.exporter.Exporter.export", write_nothing)
        export = make(version, "pack")
    assert (export.state, export.reason) == (BuildState.FAILED, "The ink is dry.")
    assert export.job.state == JobState.FAILED
    assert make(version, "pack").state == BuildState.READY


def test_a_damaged_pack_is_not_exported():
    version = given.version(given.project())
    path = next((Path(version.uri) / "arrays").iterdir())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    export = make(version, "so2sat_hdf5")
    assert export.state == BuildState.FAILED
    assert "damaged" in export.reason


def test_an_unknown_format_is_answered_with_the_known_ones(version):
    with pytest.raises(UnknownKindError, match=r"'papyrus'.*so2sat_hdf5"):
        services.start_export(version=version, exporter="papyrus", by=None)


def test_a_version_that_is_not_ready_is_not_exported(version):
    DatasetVersion.objects.filter(pk=version.pk).update(state=BuildState.WITHDRAWN)
    version.refresh_from_db()
    with pytest.raises(BadInputError, match="withdrawn"):
        services.start_export(version=version, exporter="pack", by=None)


def test_files_are_handed_out_by_their_place_in_the_list(version, client):
    export = make(version, "votes_csv")
    client.force_login(given.member(version.project, "curator"))
    for number, file in enumerate(export.files):
        assert hashlib.sha256(get_file(client, export, number)).hexdigest() == file["sha256"]
    assert client.get(reverse("releases:download", args=[export.pk, len(export.files)])).status_code == 404
    assert Event.objects.filter(action="export downloaded").count() == len(export.files)


def test_files_of_a_failed_export_are_not_handed_out(version, client):
    export = make(version, "votes_csv")
    client.force_login(given.member(version.project, "curator"))
    export.state = BuildState.FAILED
    export.save()
    assert client.get(reverse("releases:download", args=[export.pk, 0])).status_code == 404


def test_a_download_is_an_attachment_named_after_its_version(version, client):
    export = make(version, "votes_csv")
    client.force_login(given.member(version.project, "curator"))
    number = [file["path"] for file in export.files].index("votes.csv")
    answer = client.get(reverse("releases:download", args=[export.pk, number]))
    assert answer["Content-Disposition"] == 'attachment; filename="zones-1-votes.csv"'
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    b"".join(answer.streaming_content)


def test_votes_of_a_version_fit_the_exporters_schema(version):
    table = services.read_votes(version)
    assert isinstance(table, pa.Table)
    assert table.schema.equals(exporters.VOTE_SCHEMA)
