"""The answers that curators know: chosen from references, read from a file, or taken over from adjudication.

All or nothing, each change recorded, and nothing of it is ever shown to somebody who votes.
"""

import hashlib
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.db import transaction

from fusion.lines import Faults, read_records
from fusion.scheme import Scheme
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Adjudication, Assignment, Campaign, CampaignState, Gold, RoundSample
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.catalog.models import Reference, Sample

COLUMNS = ("sample", "code", "use", "explanation")
NEEDED = COLUMNS[:2]
USES = tuple(Gold.Use.values)
MOST_BYTES = 4_000_000  # gold is written by people: a few thousand rows
LONGEST_LINE = 100_000  # bytes
LONGEST_EXPLANATION = 2_000
BAD_FILE = partial(RefusedError, status=400)


@dataclass(frozen=True, kw_only=True)
class GoldRow:
    """One known answer. `place` says where it stands ("line 3"), for errors."""

    sample: Sample
    code: str
    use: str
    explanation: str = ""
    place: str = ""


@transaction.atomic
def add_gold(*, campaign: Campaign, rows: Sequence[GoldRow], source: str, by: User | None) -> int:
    """Keep these answers; raises RefusedError naming each bad one, and then keeps none."""
    held = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if held.state == CampaignState.CLOSED:
        raise RefusedError("This campaign is closed; gold would change nothing any more.")
    if not rows:
        raise RefusedError("There is no gold in this: no sample with a known answer was found.", status=400)
    _check(held, rows, Faults(name=source, error=BAD_FILE))
    Gold.objects.bulk_create(
        Gold(
            campaign=held, sample=row.sample, code=row.code, use=row.use, explanation=row.explanation,
            source=source[:80], created_by=by,
        )
        for row in rows
    )  # fmt: skip
    detail = {"count": len(rows), "source": source[:80], "uses": sorted({row.use for row in rows})}
    record(project=held.project, actor=by, action="gold added", subject=f"campaign {held.pk}", detail=detail)
    return len(rows)


@transaction.atomic
def remove_gold(*, gold: Gold, by: User | None) -> None:
    """Take back an answer that nobody has met yet; afterwards it belongs to scores that were told."""
    campaign = Campaign.objects.select_for_update().get(pk=gold.campaign_id)
    if is_used(gold):
        raise RefusedError("Experts have met this sample as gold; it stays, so that their scores keep their meaning.")
    subject = f"campaign {campaign.pk}"
    record(project=campaign.project, actor=by, action="gold removed", subject=subject, detail={"gold": gold.pk})
    gold.delete()


def is_used(gold: Gold) -> bool:
    """Whether the sample stands in a try at qualification, or was handed to anybody as hidden gold."""
    beside = RoundSample.objects.filter(round__campaign=gold.campaign_id, sample=gold.sample_id)
    if gold.use == Gold.Use.QUALIFY:
        return beside.filter(round__purpose="qualify").exists()
    return Assignment.objects.filter(
        round__campaign=gold.campaign_id, round__purpose="gold", sample=gold.sample_id
    ).exists()  # fmt: skip


def choose_gold(*, campaign: Campaign, source: str, per_class: int, use: str, by: User | None) -> int:
    """Up to `per_class` samples of each class from the references of one source, in a drawn order.

    Samples that the campaign does not ask about come first, so that experts meet few samples twice.
    """
    if per_class < 1 or use not in USES:
        raise RefusedError(f"Choose at least one sample per class, for one of: {', '.join(USES)}.", status=400)
    asked = RoundSample.objects.filter(round__campaign=campaign, round__purpose="vote")
    regions = asked.values("sample__region").distinct()
    known = Reference.objects.filter(scheme=campaign.scheme, source=source, sample__project=campaign.project_id)
    known = known.filter(sample__region__in=regions) | known.filter(sample__round_samples__in=asked)
    known = known.exclude(sample__gold__campaign=campaign).distinct().select_related("sample")
    is_asked = set(asked.values_list("sample_id", flat=True))
    drawn = sorted(known, key=lambda one: (one.sample_id in is_asked, _draw(campaign, one.sample_id)))
    by_class: dict[str, list[GoldRow]] = defaultdict(list)
    for one in drawn:
        by_class[one.code].append(GoldRow(sample=one.sample, code=one.code, use=use, place=f"sample {one.sample.key}"))
    rows = [row for code in scheme_of(campaign).codes for row in by_class[code][:per_class]]
    return add_gold(campaign=campaign, rows=rows, source=f"references: {source}", by=by)


def take_over_adjudicated(*, campaign: Campaign, use: str, by: User | None) -> int:
    """What curators decided about samples of this project, in any campaign with these classes; not what stayed
    ambiguous."""
    found = Adjudication.objects.filter(
        campaign__project=campaign.project_id, campaign__scheme=campaign.scheme, is_ambiguous=False
    )
    latest = {one.sample_id: one for one in found.select_related("sample").order_by("pk")}
    taken = set(Gold.objects.filter(campaign=campaign).values_list("sample_id", flat=True))
    rows = [
        GoldRow(sample=one.sample, code=one.code, use=use, explanation=one.reason, place=f"sample {one.sample.key}")
        for one in latest.values()
        if one.sample_id not in taken
    ]
    return add_gold(campaign=campaign, rows=rows, source="adjudicated", by=by)


def read_gold(*, campaign: Campaign, content: bytes, use: str, name: str = "The file") -> list[GoldRow]:
    """Rows of a CSV file with the columns sample (key), code, and perhaps use and explanation; `use` where not said.

    Raises RefusedError naming the lines that are wrong.
    """
    if len(content) > MOST_BYTES:
        raise BAD_FILE(f"{name} is larger than {MOST_BYTES:,} bytes; known answers are fewer. Nothing was taken.")
    faults = Faults(name=name, error=BAD_FILE)
    records = read_records(io.BytesIO(content), faults, known=COLUMNS, needed=NEEDED, longest=LONGEST_LINE)
    lines = {line: {column: cell.strip() for column, cell in record.items()} for line, record in records}
    named = _find_samples(campaign, {cells["sample"] for cells in lines.values()})
    for line, cells in lines.items():
        if len(named[cells["sample"]]) != 1:
            count = len(named[cells["sample"]]) or "no"
            faults.add(f"line {line}", f"names {cells['sample'][:120]!r}; this project has {count} samples called so")
    faults.raise_if_any()
    return [
        GoldRow(
            sample=named[cells["sample"]][0], code=cells["code"], use=cells.get("use") or use,
            explanation=cells.get("explanation", ""), place=f"line {line}",
        )
        for line, cells in lines.items()
    ]  # fmt: skip


def _find_samples(campaign: Campaign, keys: set[str]) -> dict[str, list[Sample]]:
    """The project's samples by key; a key may stand once per kind."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in Sample.objects.filter(project=campaign.project_id, key__in=keys).order_by("pk"):
        found[sample.key].append(sample)
    return found


def _check(campaign: Campaign, rows: Sequence[GoldRow], faults: Faults) -> None:
    """Each row that cannot be kept, by its place."""
    scheme = scheme_of(campaign)
    held = set(Gold.objects.filter(campaign=campaign).values_list("sample_id", flat=True))
    places: dict[int, str] = {}
    for row in rows:
        place = row.place or f"sample {row.sample.key}"
        if fault := _find_fault(campaign, row, scheme, held):
            faults.add(place, fault)
        elif row.sample.pk in places:
            faults.add(place, f"has the sample of {places[row.sample.pk]} again")
        places.setdefault(row.sample.pk, place)
    faults.raise_if_any()


def _find_fault(campaign: Campaign, row: GoldRow, scheme: Scheme, held: set[int]) -> str:
    if row.code not in scheme:
        return f"has code {row.code[:40]!r}, which is not a class of this campaign"
    if row.use not in USES:
        return f"has {row.use[:40]!r}, which is no use of gold; say one of: {', '.join(USES)}"
    if row.sample.project_id != campaign.project_id:
        return "names a sample of another project"
    if row.sample.pk in held:
        return "names a sample that is gold already"
    if len(row.explanation) > LONGEST_EXPLANATION:
        return f"has an explanation of more than {LONGEST_EXPLANATION:,} characters"
    return ""


def _draw(campaign: Campaign, sample: int) -> str:
    return hashlib.sha256(f"{campaign.seed}/gold/{sample}".encode()).hexdigest()
