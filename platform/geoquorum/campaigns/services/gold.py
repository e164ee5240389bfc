"""The answers that curators know: chosen from references, read from a file, or taken over from adjudication.

All or nothing, each change recorded, and nothing of it is ever shown to somebody who votes.
"""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

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
MOST_FAULTS = 10  # told at once
LONGEST_EXPLANATION = 2_000


@dataclass(frozen=True, kw_only=True)
class GoldRow:
    """One known answer. `place` says where it stands ("Line 3"), for errors."""

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
    if faults := _list_faults(held, rows):
        more = f" And {len(faults) - MOST_FAULTS} more." if len(faults) > MOST_FAULTS else ""
        raise RefusedError("Nothing was kept. " + " ".join(faults[:MOST_FAULTS]) + more, status=400)
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
        by_class[one.code].append(GoldRow(sample=one.sample, code=one.code, use=use, place=f"Sample {one.sample.key}"))
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
        GoldRow(sample=one.sample, code=one.code, use=use, explanation=one.reason, place=f"Sample {one.sample.key}")
        for one in latest.values()
        if one.sample_id not in taken
    ]
    return add_gold(campaign=campaign, rows=rows, source="adjudicated", by=by)


def read_gold(*, campaign: Campaign, content: bytes, use: str) -> list[GoldRow]:
    """Rows of a CSV file with the columns sample (key), code, and perhaps use and explanation; `use` where not said.

    Raises RefusedError naming the lines that are wrong.
    """
    lines = list(_split(content))
    keys = {fields["sample"] for _number, fields in lines}
    samples: dict[str, list[Sample]] = defaultdict(list)
    for sample in Sample.objects.filter(project=campaign.project_id, key__in=keys).order_by("pk"):
        samples[sample.key].append(sample)
    faults = [
        f"Line {number}: this project has {len(samples[fields['sample']]) or 'no'} samples called "
        f"{fields['sample'][:120]!r}."
        for number, fields in lines
        if len(samples[fields["sample"]]) != 1
    ]
    if faults:
        raise RefusedError("Nothing was kept. " + " ".join(faults[:MOST_FAULTS]), status=400)
    return [
        GoldRow(
            sample=samples[fields["sample"]][0], code=fields["code"], use=fields["use"] or use,
            explanation=fields["explanation"], place=f"Line {number}",
        )
        for number, fields in lines
    ]  # fmt: skip


def _split(content: bytes) -> Iterable[tuple[int, dict[str, str]]]:
    """Numbered lines of the file by column."""
    if len(content) > MOST_BYTES:
        raise RefusedError(f"The file has {len(content)} bytes; at most {MOST_BYTES} are read.", status=400)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError("The file is not UTF-8 text; save it as CSV in UTF-8.", status=400) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise RefusedError(f"Line {line} holds a NUL; the file is damaged or not a CSV.", status=400)
    try:
        yield from _read_lines(text)
    except csv.Error as error:
        raise RefusedError(f"The file is not a CSV: {error}.", status=400) from error


def _read_lines(text: str) -> Iterable[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    if set(NEEDED) - set(header) or set(header) - set(COLUMNS) or len(set(header)) != len(header):
        raise RefusedError(
            f"Line 1 must name the columns {', '.join(NEEDED)} and may name {', '.join(COLUMNS[2:])}; "
            f"it says: {', '.join(header)[:200] or 'nothing'}.",
            status=400,
        )
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise RefusedError(f"Line {reader.line_num} has {len(cells)} cells, not {len(header)}.", status=400)
        fields = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        yield reader.line_num, dict.fromkeys(COLUMNS, "") | fields


def _list_faults(campaign: Campaign, rows: Sequence[GoldRow]) -> list[str]:
    """One sentence for each row that cannot be kept."""
    scheme = scheme_of(campaign)
    met = set(Gold.objects.filter(campaign=campaign).values_list("sample_id", flat=True))
    faults = []
    for row in rows:
        if fault := _find_fault(campaign, row, scheme, met):
            faults.append(f"{row.place or f'Sample {row.sample.key}'}: {fault}")
        met.add(row.sample.pk)
    return faults


def _find_fault(campaign: Campaign, row: GoldRow, scheme: Scheme, met: set[int]) -> str:
    if row.code not in scheme:
        return f"{row.code[:40]!r} is not a class of this campaign."
    if row.use not in USES:
        return f"{row.use[:40]!r} is no use of gold; say one of: {', '.join(USES)}."
    if row.sample.project_id != campaign.project_id:
        return "the sample belongs to another project."
    if row.sample.pk in met:
        return "this sample is gold already, or stands here twice."
    if len(row.explanation) > LONGEST_EXPLANATION:
        return f"the explanation is longer than {LONGEST_EXPLANATION} characters."
    return ""


def _draw(campaign: Campaign, sample: int) -> str:
    return hashlib.sha256(f"{campaign.seed}/gold/{sample}".encode()).hexdigest()
