"""What belongs together in a region by place and time: its patches with photos, posts, stations, shapes and heights.

All links of a region are made anew each time, so that what came late is linked as what came first. Patches pass in
pieces: memory holds the photos, posts and shapes of the region, and one piece of its patches.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from geoquorum.accounts.models import User
from geoquorum.catalog.joins import COLUMNS, Reach, list_joins, read_patches
from geoquorum.catalog.models import Link, Region, Sample
from geoquorum.copying import copy_in
from geoquorum.queue.models import Job
from geoquorum.queue.services import Claim, enqueue

KIND = "geoquorum.catalog.jobs.link"

SUMMARY = """
SELECT kind, count(*), count(DISTINCT sample_id), count(DISTINCT coalesce(other_id, -asset_id)), min(distance_m),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY distance_m), max(distance_m), avg(share)
FROM catalog_link WHERE region_id = %(region)s GROUP BY kind
"""
FIGURES = ("links", "patches", "things", "nearest_m", "median_m", "furthest_m", "share")

DISTANCES = ("nearest_m", "median_m", "furthest_m")
MEASURED = ("photo", "post", "station")  # of which the distance is told: others lie on the patch itself
TITLES = {
    "photo": ("photo", "photos"),
    "post": ("post", "posts"),
    "station": ("file of stations", "files of stations"),
    "footprints": ("file of footprints", "files of footprints"),
    "shapes": ("file of shapes", "files of shapes"),
    "heights": ("file of heights", "files of heights"),
    "map": ("map", "maps"),
    "video": ("video", "videos"),
}


@dataclass(frozen=True, kw_only=True)
class Linked:
    """What was linked in a region: figures by kind (FIGURES), the number of its patches, and what could not be read."""

    region: Region
    reach: Reach
    patches: int
    kinds: dict[str, dict[str, Any]]
    troubles: list[str] = field(default_factory=list)

    def describe(self) -> list[str]:
        """In words, a line each; nothing where there is nothing to link."""
        said = []
        for kind, found in self.kinds.items():
            one, many = TITLES[kind]
            patches = "1 patch" if found["patches"] == 1 else f"{found['patches']:,} patches"
            words = f"{found['things']:,} {one if found['things'] == 1 else many} to {patches}"
            if kind in MEASURED and found["nearest_m"] is not None:
                words += f" ({found['nearest_m']:.0f} m to {found['furthest_m']:.0f} m)"
            if found["share"] is not None and kind != "photo":
                words += f", {found['share']:.0%} of their ground"
            said.append(words)
        lines = [f"Region {self.region}: linked: {'; '.join(said)}."] if said else []
        return lines + [f"Region {self.region}: not linked: {trouble}" for trouble in self.troubles]

    def as_json(self) -> dict[str, Any]:
        return {"patches": self.patches, "reach": asdict(self.reach), "kinds": self.kinds, "troubles": self.troubles}


@transaction.atomic
def link_region(*, region: Region, reach: Reach | None = None) -> Linked:
    """All links of a region made anew; `reach` is kept for the next time, and without one that of the last time holds.

    A file that cannot be read any more is named in what is answered and leaves the others as they are.
    """
    locked = Region.objects.select_for_update().get(pk=region.pk)
    chosen = reach or find_reach(locked)
    Link.objects.filter(region=locked).delete()
    patches, troubles = 0, []
    if Sample.objects.filter(region=locked, kind=Sample.Kind.PATCH).exists():
        joins, troubles = list_joins(locked, chosen)
        for piece in read_patches(locked) if joins else ():
            for join in joins:
                table = join(piece)
                if table.num_rows:
                    copy_in(Link, _complete(table, locked))
        patches = Sample.objects.filter(region=locked, kind=Sample.Kind.PATCH).count()
    found = Linked(region=locked, reach=chosen, patches=patches, kinds=_summarise(locked), troubles=troubles)
    locked.attributes = locked.attributes | {"linking": found.as_json() | {"at": timezone.now().isoformat()}}
    locked.save(update_fields=["attributes"])
    region.attributes = locked.attributes
    return found


def queue_link(*, region: Region, by: User | None) -> Job | None:
    """Links a region by a worker, once what came in is committed; nothing where it has no patches."""
    if not Sample.objects.filter(region=region, kind=Sample.Kind.PATCH).exists():
        return None
    return enqueue(KIND, project=region.project, arguments={"region": region.pk}, by=by)


def execute_link(job: Job, claim: Claim) -> dict[str, Any]:
    """Links a region; a job that was cancelled or lost leaves the links as they were."""
    with transaction.atomic():
        found = link_region(region=Region.objects.get(pk=job.arguments["region"]))
        claim.lock()
    return {"region": found.region.pk, "links": sum(kind["links"] for kind in found.kinds.values())}


def find_reach(region: Region) -> Reach:
    """The reach that a region was linked with the last time, or the usual one."""
    return Reach(**region.attributes.get("linking", {}).get("reach", {}))


def tell_linked(region: Region) -> dict[str, Any] | None:
    """For a page: what was linked the last time by kind, and how far it could be; None where nothing was."""
    told = region.attributes.get("linking")
    if not told or not (told["kinds"] or told["troubles"]):
        return None
    reach, titles = find_reach(region), dict(Link.Kind.choices)
    said = {"within": f"{reach.within_m:g}", "station": f"{reach.station_m / 1000:g}"}
    words = _("Photos and posts on a patch or up to %(within)s m beside it; the nearest station up to %(station)s km.")
    if reach.window_days is not None:
        words += " " + _("At most %(days)g days earlier or later.")
        said["days"] = reach.window_days
    rows = [
        {
            "title": titles[kind],
            "things": found["things"],
            "patches": found["patches"],
            "of_all": 100 * found["patches"] / max(told["patches"], 1),
            "distances": [
                found[name] if kind in MEASURED else None for name in ("nearest_m", "median_m", "furthest_m")
            ],
            "share": None if found["share"] is None else 100 * found["share"],
        }
        for kind, found in ((kind, told["kinds"].get(kind)) for kind in Link.Kind.values)
        if found
    ]
    return {"words": words % said, "rows": rows, "troubles": told["troubles"]}


def _complete(table: pa.Table, region: Region) -> pa.Table:
    table = table.append_column("region_id", pa.repeat(pa.scalar(region.pk, pa.int64()), len(table)))
    return table.select(list(COLUMNS)).cast(pa.schema(list(COLUMNS.items())))


def _summarise(region: Region) -> dict[str, dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(SUMMARY, {"region": region.pk})
        found = {kind: dict(zip(FIGURES, figures, strict=True)) for kind, *figures in cursor.fetchall()}
    return {kind: found[kind] for kind in Link.Kind.values if kind in found}
