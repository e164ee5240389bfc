"""A curator decides about one sample, with a reason: a label, or that it stays ambiguous. Votes stay as they are."""

import hashlib
import json
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Max

from geoquorum.accounts.models import Role, User
from geoquorum.accounts.services import expert_of, record, require_role
from geoquorum.campaigns.models import Adjudication, Campaign, CampaignState, Round, RoundSample
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.gate import hold_gate
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.catalog.models import Sample

SHORTEST_REASON, LONGEST_REASON = 3, 4_000


@transaction.atomic
def adjudicate(*, round: Round, sample: Sample, by: User, reason: str, code: str = "") -> Adjudication:
    """Write a decision: `code` of the scheme, or none for "ambiguous". Insert-only: a later decision counts instead.

    Refused without a reason, before the close, for codes and samples that the campaign does not know; 404 and 403 for
    whoever is no curator of its project.
    """
    require_role(user=by, project=round.campaign.project, minimum=Role.CURATOR)
    words = reason.replace("\0", "").strip()
    if not SHORTEST_REASON <= len(words) <= LONGEST_REASON:
        raise RefusedError(f"A decision needs a reason of {SHORTEST_REASON} to {LONGEST_REASON} signs.", status=400)
    held = hold_gate(campaign=round.campaign)
    if held.state != CampaignState.CLOSED:
        raise RefusedError("Decisions are made after the close; this campaign is not closed.")
    scheme = scheme_of(held)
    if code and code not in scheme:
        raise RefusedError(f"{code[:40]!r} is not a code of {scheme.name}: {', '.join(scheme.codes)}.", status=400)
    if not RoundSample.objects.filter(round=round, sample=sample).exists():
        raise RefusedError("This round did not ask about this sample.", status=404)
    return _store(held, round, sample, code, words, by)


def _store(held: Campaign, round: Round, sample: Sample, code: str, words: str, by: User) -> Adjudication:
    made = Adjudication.objects.create(
        campaign=held,
        round=round,
        sample=sample,
        code=code,
        is_ambiguous=not code,
        reason=words,
        by=expert_of(user=by, project=held.project),
    )
    detail = {"sample": sample.pk, "code": code, "ambiguous": not code, "adjudication": made.pk}
    record(project=held.project, actor=by, action="sample adjudicated", subject=f"campaign {held.pk}", detail=detail)
    return made


def latest_decisions(*, campaign: Campaign, until: int | None = None) -> dict[int, Adjudication]:
    """The decision that counts for each decided sample, up to a decision's number where one is given."""
    made = Adjudication.objects.filter(campaign=campaign).select_related("by").order_by("sample", "-pk")
    if until is not None:
        made = made.filter(pk__lte=until)
    return {one.sample_id: one for one in made.distinct("sample")}


def last_decision(*, campaign: Campaign) -> int:
    """The number of the newest decision, 0 where there is none: what `until` of a version that starts now is."""
    return Adjudication.objects.filter(campaign=campaign).aggregate(last=Max("pk"))["last"] or 0


def hash_reasons(decisions: Iterable[tuple[str, Adjudication]]) -> str:
    """SHA-256 over sample key, code and reason of decisions, in the order of keys: the same anywhere."""
    said = sorted([key, one.code, one.reason] for key, one in decisions)
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()
