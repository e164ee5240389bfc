"""What is linked to the samples of a version, for its pack and for its leak check; by names and hashes alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from fusion.pack_links import LINK_SCHEMA
from geoquorum.catalog.linking import find_reach
from geoquorum.catalog.models import Link, Region, Sample

# samples whose links are in memory at a time; the bytes of a pack depend on it
SAMPLES_AT_ONCE = 10_000
FIELDS = (
    "sample_id", "kind", "name", "distance_m", "lag_s", "off_axis_deg", "share", "count", "other__key", "asset__uri",
    "asset__sha256",
)  # fmt: skip


def read_links(samples: Sequence[Sample]) -> Iterator[pa.Table]:
    """Links of samples in their order, then by kind, distance and name, as a pack wants them."""
    for some in _list_parts(samples):
        place = {sample.pk: row for row, sample in enumerate(some)}
        found = [_tell(row, place, some) for row in Link.objects.filter(sample__in=list(place)).values_list(*FIELDS)]
        found.sort(key=lambda pair: pair[0])
        yield pa.Table.from_pylist([row for _order, row in found], schema=LINK_SCHEMA)


def describe_linking(regions: Sequence[Region]) -> dict[str, Any]:
    """How far and how late things could be and were still linked, by region; regions without links are left out."""
    linked = [region for region in regions if region.attributes.get("linking", {}).get("kinds")]
    return {region.slug: vars(find_reach(region)) for region in sorted(linked, key=lambda region: region.slug)}


def list_linked(samples: Sequence[Sample]) -> dict[str, list[tuple[str, ...]]]:
    """Photos, posts and their authors that are linked to each sample, by kind of group of the leak check.

    Authors are numbers that mean nothing beyond this report: reports are shown to experts.
    """
    groups: dict[str, dict[int, set[str]]] = {"linked_photo": {}, "linked_post": {}, "linked_user": {}}
    numbers: dict[str, str] = {}
    for some in _list_parts(samples):
        links = Link.objects.filter(sample__in=[one.pk for one in some], kind__in=[Link.Kind.PHOTO, Link.Kind.POST])
        rows = links.order_by("sample_id", "other__key").values_list(
            "sample_id", "kind", "other__key", "other__post__author"
        )
        for sample, kind, key, author in rows:
            groups[f"linked_{kind}"].setdefault(sample, set()).add(key)
            if author:
                name = numbers.setdefault(author, f"user {len(numbers) + 1}")
                groups["linked_user"].setdefault(sample, set()).add(name)
    return {kind: [tuple(sorted(own.get(one.pk, ()))) for one in samples] for kind, own in groups.items()}


def _list_parts(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    for start in range(0, len(samples), SAMPLES_AT_ONCE):
        yield samples[start : start + SAMPLES_AT_ONCE]


def _tell(found: tuple[Any, ...], place: dict[int, int], some: Sequence[Sample]) -> tuple[tuple[Any, ...], dict]:
    """One link with its place in the order, which no number of this database decides."""
    row = dict(zip(FIELDS, found, strict=True))
    number, key, uri = (row.pop(name) for name in ("sample_id", "other__key", "asset__uri"))
    own = {
        "sample": some[place[number]].key,
        "name": key or Path(uri).name,
        "part": row.pop("name"),
        "sha256": row.pop("asset__sha256") or "",
        **row,
    }
    distance = float("inf") if own["distance_m"] is None else own["distance_m"]
    return (place[number], own["kind"], distance, own["name"], own["sha256"], own["part"]), own
