"""Versions carry what is linked to their samples, by names and hashes; the leak report says what splits share of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from fusion.pack import Pack
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.catalog.joins import Reach
from geoquorum.catalog.linking import link_region
from geoquorum.catalog.models import Asset, Post, Region, Sample
from geoquorum.releases import cuts, services
from geoquorum.releases import linking as version_links
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db
BLOCKS = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}


@pytest.fixture
def run(shared_run: ConsensusRun, settings: Any, tmp_path: Path) -> ConsensusRun:
    """The consensus on a made-up city with a photo, posts of one author on every patch, and a file of heights."""
    settings.GEOQUORUM_DATA = tmp_path / "data"
    found = ConsensusRun.objects.select_related("campaign__project", "round").get(pk=shared_run.pk)
    region = Region.objects.get(project=found.campaign.project)
    patches = list(region.samples.filter(kind="patch").order_by("cell"))
    put(region, patches[0], "street_view", "photo-a", heading_deg=0, field_of_view_deg=90)
    for patch in patches:
        Post.objects.create(sample=put(region, patch, "post", f"post-{patch.cell}"), text="words", author="0" * 64)
    Asset.objects.create(
        project=region.project, region=region, modality="lidar", uri="/data/of/somebody/cloud.laz", sha256="ab" * 32,
        size_bytes=1, driver="LAZ", bands=[], dtype="", west=region.west, east=region.east, south=region.south,
        north=region.north,
    )  # fmt: skip
    link_region(region=region)
    return found


def put(region: Region, patch: Sample, kind: str, key: str, **fields: Any) -> Sample:
    place = {"longitude": patch.longitude, "latitude": patch.latitude}
    return given.sample(region.project, region, kind=kind, key=key, **place, **fields)


def build(run: ConsensusRun, **choices: Any) -> DatasetVersion:
    asked = {"run": run, "name": "zones", "modalities": given.MODALITIES, "design": BLOCKS, "by": None}
    made = services.start_release(**asked | choices)
    given.work(made.job, services.build)
    made.refresh_from_db()
    return made


def test_a_version_names_what_is_linked_to_its_samples(run: ConsensusRun) -> None:
    version = build(run)
    assert version.state == BuildState.READY, version.reason
    pack = Pack.open(Path(version.uri), sha256=version.sha256, verify=True)
    rows = pack.links.to_pylist()
    assert {row["kind"] for row in rows} == {"photo", "post", "heights"}
    [photo] = [row for row in rows if row["kind"] == "photo"]
    assert (photo["name"], photo["distance_m"], photo["off_axis_deg"] is not None) == ("photo-a", 0, True)
    heights = [row for row in rows if row["kind"] == "heights"]
    assert {(row["name"], row["sha256"]) for row in heights} == {("cloud.laz", "ab" * 32)}
    assert len(heights) == len(pack)
    assert pack.linked("heights").all()
    assert pack.linked("photo").sum() == 1
    assert "/data/of/somebody" not in (Path(version.uri) / "pack.json").read_text()
    order = [pack.samples["id"].to_pylist().index(row["sample"]) for row in rows]
    assert order == sorted(order)
    assert pack.manifest["provenance"]["linking"] == {
        Region.objects.get(project=version.project).slug: vars(Reach()),
    }


def test_bytes_do_not_depend_on_how_a_version_was_cut_or_when_it_was_linked(
    run: ConsensusRun, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    small = build(run)
    DatasetVersion.objects.filter(pk=small.pk).delete()
    link_region(region=Region.objects.get(project=small.project))
    monkeypatch.setattr(cuts, "IN_MEMORY_BYTES", 1)
    settings.GEOQUORUM_DATA = tmp_path / "again"
    large = build(run)
    assert large.job.parts.exists()
    assert (large.sha256, large.number) == (small.sha256, small.number)


def test_links_of_many_samples_are_read_in_pieces(run: ConsensusRun, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = list(Sample.objects.filter(kind="patch").order_by("key"))
    [whole] = version_links.read_links(samples)
    monkeypatch.setattr(version_links, "SAMPLES_AT_ONCE", 5)
    parts = list(version_links.read_links(samples))
    assert len(parts) == -(-len(samples) // 5) > 3
    assert [row for part in parts for row in part.to_pylist()] == whole.to_pylist()


def test_the_leak_report_says_what_linked_things_splits_share_and_refuses_above_the_limit(run: ConsensusRun) -> None:
    version = build(run)
    shared = version.summary["leaks"]["shared"]
    assert shared["linked_user"]["groups"] == 1
    assert shared["linked_user"]["first"] == ["user 1"]
    assert shared["linked_post"]["groups"] == 0
    strict = build(run, design=BLOCKS | {"limits": {"linked_user": 0.0}})
    assert strict.state == BuildState.FAILED
    assert "1 of kind linked_user lie in more than one split" in strict.reason


def test_the_page_of_a_version_says_what_is_linked(client: Any, run: ConsensusRun) -> None:
    version = build(run)
    client.force_login(given.member(version.project))
    page = client.get(reverse("releases:detail", args=[version.pk])).content.decode()
    assert "Linked to samples" in page
    assert "1 links of 1 samples" in page
    assert "authors of linked posts" in page


def test_a_version_without_links_is_as_it_was(run: ConsensusRun) -> None:
    Asset.objects.filter(modality="lidar").delete()
    region = Region.objects.get(project=run.campaign.project)
    region.samples.exclude(kind="patch").delete()
    link_region(region=region)
    version = build(run)
    pack = Pack.open(Path(version.uri), verify=True)
    assert "links" not in pack.manifest
    assert "linking" not in pack.manifest["provenance"]
    assert not np.any(pack.linked("photo"))
