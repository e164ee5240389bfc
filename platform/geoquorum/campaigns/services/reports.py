"""What one expert's work in a campaign looks like: score on gold, consistency, confusions, pace, flags.

For curators whenever they look; for the expert alone without gold before the close, and with repeats only up to the
day before, so that no count tells at once which sample was a hidden one.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from annotation.quality import Confusion, Pace, Share, gold_score, list_confusions, measure_pace, self_consistency
from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Attempt, Campaign, CampaignState, Participation, Standing
from geoquorum.campaigns.services.declaring import scheme_of

LATEST = 5_000  # answers that pace is measured on

# First answers count: a correction after a look at the report would flatter.
GOLD_ANSWERS = """
SELECT DISTINCT ON (v.sample_id) g.code, v.code
FROM campaigns_gold g
JOIN campaigns_round r ON r.campaign_id = g.campaign_id AND r.purpose IN ('vote', 'dispute', 'gold')
JOIN campaigns_assignment a ON a.round_id = r.id AND a.sample_id = g.sample_id AND a.expert_id = %(expert)s
JOIN campaigns_vote v ON v.assignment_id = a.id AND v.kind = 'answer' AND v.code <> ''
WHERE g.campaign_id = %(campaign)s AND g.use = 'monitor' ORDER BY v.sample_id, v.id
"""
# The answer that stood when the repeat was answered, and the first answer to the repeat, in the repeats' order.
REPEATED = """
SELECT before.code, again.code FROM (
  SELECT DISTINCT ON (v.assignment_id) v.id, v.sample_id, v.code, v.received_at
  FROM campaigns_round r JOIN campaigns_vote v ON v.round_id = r.id
  WHERE r.campaign_id = %(campaign)s AND r.purpose = 'repeat' AND v.expert_id = %(expert)s AND v.kind = 'answer'
  ORDER BY v.assignment_id, v.id
) AS again
CROSS JOIN LATERAL (
  SELECT v.code FROM campaigns_assignment a
  JOIN campaigns_round r ON r.id = a.round_id AND r.purpose IN ('vote', 'dispute')
  JOIN campaigns_vote v ON v.assignment_id = a.id AND v.id < again.id AND v.kind = 'answer'
  WHERE r.campaign_id = %(campaign)s AND a.sample_id = again.sample_id AND a.expert_id = %(expert)s
  ORDER BY v.id DESC LIMIT 1
) AS before
WHERE again.received_at < %(until)s ORDER BY again.id
"""
PACE = """
SELECT seconds, at FROM (
  SELECT v.id, extract(epoch FROM v.decided_at - v.shown_at)::float8 AS seconds, v.received_at AS at
  FROM campaigns_vote v JOIN campaigns_round r ON r.id = v.round_id AND r.purpose <> 'qualify'
  WHERE v.expert_id = %(expert)s AND v.campaign_id = %(campaign)s AND v.kind <> 'taken_back' AND v.revision = 0
  ORDER BY v.id DESC LIMIT %(latest)s) AS own
ORDER BY id
"""
UNTOLD = float("nan")
FAR_FUTURE = datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, kw_only=True)
class ExpertReport:
    """One expert in one campaign. `gold` is None and `confused` empty where they are not for the reader's eyes."""

    expert: Expert
    answered: int
    skipped: int
    standing: Standing | None
    attempts: tuple[Attempt, ...]
    gold: Share | None
    consistency: Share
    confused: tuple[Confusion, ...]
    pace: Pace

    @property
    def flags(self) -> list[dict[str, Any]]:
        return list(self.standing.flags) if self.standing else []

    @property
    def open_flags(self) -> list[dict[str, Any]]:
        return [flag for flag in self.flags if not flag.get("dismissed")]


def report_own(*, campaign: Campaign, expert: Expert) -> ExpertReport:
    """What experts may see of themselves: gold only after the close, repeats of earlier days, no flags ever."""
    is_over = campaign.state == CampaignState.CLOSED
    midnight = timezone.now().astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = _report(campaign, expert, with_gold=is_over, until=FAR_FUTURE if is_over else midnight)
    if found.standing is not None:
        found.standing.flags = []
    return found


def list_reports(*, campaign: Campaign) -> list[ExpertReport]:
    """Everybody who took part, for curators; those with open flags first, then the lowest gold score."""
    took_part = Expert.objects.filter(participations__round__campaign=campaign) | Expert.objects.filter(
        standings__campaign=campaign
    )
    reports = [
        _report(campaign, expert, with_gold=True, until=FAR_FUTURE) for expert in took_part.distinct().order_by("pk")
    ]
    return sorted(reports, key=_urgency)


def read_repeats(*, campaign: Campaign, expert: Expert, until: datetime.datetime = FAR_FUTURE) -> list[tuple[str, str]]:
    """The answers before and at each repeat, in order."""
    return _fetch(REPEATED, campaign, expert, until=until)


def _urgency(report: ExpertReport) -> tuple[bool, float, str]:
    score = report.gold.value if report.gold and report.gold.n else 2.0
    return not report.open_flags, score, report.expert.pseudonym


def _report(campaign: Campaign, expert: Expert, *, with_gold: bool, until: datetime.datetime) -> ExpertReport:
    scheme = scheme_of(campaign)
    counts = Participation.objects.filter(round__campaign=campaign, expert=expert).exclude(round__purpose="qualify")
    known = _fetch(GOLD_ANSWERS, campaign, expert) if with_gold else []
    truth, answers = [one for one, _answer in known], [answer for _one, answer in known]
    repeats = read_repeats(campaign=campaign, expert=expert, until=until)
    paced: Sequence[tuple[float | None, datetime.datetime]] = _fetch(PACE, campaign, expert, latest=LATEST)
    return ExpertReport(
        expert=expert,
        answered=sum(counts.values_list("answered", flat=True)),
        skipped=sum(counts.values_list("skipped", flat=True)),
        standing=Standing.objects.filter(campaign=campaign, expert=expert).first(),
        attempts=tuple(Attempt.objects.filter(campaign=campaign, expert=expert).order_by("number")),
        gold=gold_score(truth, answers, scheme.codes, scheme.similarity_matrix()) if with_gold else None,
        consistency=self_consistency([one for one, _other in repeats], [other for _one, other in repeats]),
        confused=tuple(list_confusions(truth, answers, scheme.codes)),
        pace=measure_pace([UNTOLD if one is None else one for one, _at in paced], [at for _one, at in paced]),
    )


def _fetch(statement: str, campaign: Campaign, expert: Expert, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"campaign": campaign.pk, "expert": expert.pk, **values})
        return cursor.fetchall()
