"""Versions of three made-up cities, which are cut in six parts."""

from geoquorum.accounts.models import Project
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.releases import chunks, services
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

PARTS = 2 * given.CITIES  # two sensors; a made-up city is one row of blocks


def consensus(project: Project) -> ConsensusRun:
    return given.consensus(project, [given.city(project, number) for number in range(given.CITIES)])


def start(run: ConsensusRun) -> DatasetVersion:
    """A version of three cities, the last two of them held out."""
    cities = sorted({row.sample.region.name for row in run.rows.select_related("sample__region")})
    design = {"kind": "city", "validation": cities[1:2], "test": cities[2:]}
    return services.start_release(run=run, name="zones", modalities=given.MODALITIES, design=design, by=None)


def forget(version: DatasetVersion) -> str:
    """The checksum of a version, whose number is free again afterwards."""
    version.refresh_from_db()
    assert version.state == BuildState.READY, version.reason
    assert not chunks.find_folder(version).exists()
    DatasetVersion.objects.filter(pk=version.pk).delete()
    return version.sha256
