"""A campaign from draft to closed."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils.text import slugify

from annotation import question as questions
from fusion import scheme as schemes
from geoquorum.accounts.models import Project, Role, User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Assignment, Campaign, CampaignState, Round, RoundSample
from geoquorum.campaigns.services.consensus import start_consensus
from geoquorum.campaigns.services.declaring import declare, digest_of
from geoquorum.campaigns.services.gate import hold_gate
from geoquorum.campaigns.services.policies import check_policy
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.campaigns.services.sealing import add_seals, write_anchor
from geoquorum.campaigns.services.withheld import is_withheld
from geoquorum.catalog.models import Sample

RING = 2**31  # positions lie on a ring of this size, so that an order may start anywhere on it
BATCH = 5_000
LAST = 2**63 - 1  # above every vote's number


@transaction.atomic
def create_campaign(
    *,
    project: Project,
    name: str,
    question: str,
    scheme: str,
    samples: Iterable[Sample],
    quota: int,
    by: User | None,
    guide: str = "",
    lease_s: int = 600,
    seed: int = 0,
    policy: dict[str, object] | None = None,
) -> Campaign:
    """A draft with its first round; unknown questions and schemes are answered with the known ones."""
    asked, alphabet = questions.find(question), schemes.find(scheme)
    chosen = list(samples)
    if asked.scheme not in (None, scheme):
        raise RefusedError(f"Question {question!r} asks for scheme {asked.scheme!r}, not {scheme!r}.", status=400)
    asked.keys(alphabet)  # refuses a scheme whose keys this question needs for itself
    _check_samples(project, chosen, asked.sample_kind)
    if quota < 1:
        raise RefusedError("A campaign needs at least one vote per sample.", status=400)
    check_policy(policy or {}, quota)
    campaign = Campaign.objects.create(
        project=project,
        name=name,
        slug=_free_slug(project, name),
        question=question,
        question_version=asked.version,
        scheme=scheme,
        scheme_version=alphabet.version,
        policy=policy or {"kind": "fixed", "order": "random"},
        guide=guide,
        lease_s=lease_s,
        seed=seed,
        is_simulated=project.is_simulated,
        created_by=by,
    )
    add_round(campaign=campaign, samples=chosen, quota=quota)
    record(project=project, actor=by, action="campaign created", subject=f"campaign {campaign.pk}")
    return campaign


@transaction.atomic
def add_round(*, campaign: Campaign, samples: Sequence[Sample], quota: int, purpose: str = Round.Purpose.VOTE) -> Round:
    """A further round over these samples, in an order drawn from the campaign's seed; earlier rounds stay."""
    number = (campaign.rounds.aggregate(last=Max("number"))["last"] or 0) + 1
    new = Round.objects.create(campaign=campaign, number=number, purpose=purpose, quota=quota)
    order = np.random.default_rng((campaign.seed, number)).permutation(len(samples)) * (RING // len(samples))
    RoundSample.objects.bulk_create(
        (
            RoundSample(round=new, sample=sample, quota=quota, position=int(position))
            for sample, position in zip(samples, order, strict=True)
        ),
        batch_size=BATCH,
    )
    return new


@transaction.atomic
def open_campaign(*, campaign: Campaign, by: User | None) -> Campaign:
    """From draft to open; anything else is refused."""
    held = hold_gate(campaign=campaign)
    if held.state != CampaignState.DRAFT:
        raise RefusedError(f"Only a draft can be opened; this campaign is {held.get_state_display()}.")
    if questions.find(held.question).prompt_scheme and is_withheld(campaign=held, role=Role.EXPERT):
        raise RefusedError("It would show labels that a contest holds back. Open it when the contest has let them go.")
    declared = declare(question=held.question, scheme=held.scheme)
    Campaign.objects.filter(pk=held.pk).update(
        state=CampaignState.OPEN,
        opened_at=Now(),
        declared=declared,
        declared_digest=digest_of(declared),
        question_version=declared["question"]["version"],
        scheme_version=declared["scheme"]["version"],
    )
    record(project=held.project, actor=by, action="campaign opened", subject=f"campaign {held.pk}")
    campaign.refresh_from_db()
    return campaign


@transaction.atomic
def close_campaign(*, campaign: Campaign, by: User | None) -> Campaign:
    """Freeze the votes: what was committed counts, what comes later is refused; open claims end.

    Where there are votes, the consensus by every usual method is started at once.
    """
    held = hold_gate(campaign=campaign)
    if held.state != CampaignState.OPEN:
        raise RefusedError(f"Only an open campaign can be closed; this campaign is {held.get_state_display()}.")
    Campaign.objects.filter(pk=held.pk).update(state=CampaignState.CLOSED, closed_at=Now())
    held.rounds.filter(closed_at=None).update(closed_at=Now())
    # `slots_taken` keeps what was true at the end; nothing reads it once the round is over.
    ended = Assignment.objects.filter(round__in=held.rounds.values("pk"), state=Assignment.State.CLAIMED)
    detail = {"claims_ended": ended.update(state=Assignment.State.RELEASED, slot=None, lease_until=None)}
    record(project=held.project, actor=by, action="campaign closed", subject=f"campaign {held.pk}", detail=detail)
    campaign.refresh_from_db()
    add_seals(campaign_id=held.pk, until=LAST)
    # A disk that refuses the file does not undo the close; `manage.py seal` completes it.
    transaction.on_commit(partial(write_anchor, campaign_id=held.pk), robust=True)
    round = current_round(campaign=campaign)
    if round.assignments.filter(state=Assignment.State.ANSWERED).exists():
        start_consensus(round=round, by=by)
    return campaign


def current_round(*, campaign: Campaign) -> Round:
    """The round that is voted on now, or was last; gold, repeats and qualification are never it."""
    asking = campaign.rounds.filter(purpose__in=(Round.Purpose.VOTE, Round.Purpose.DISPUTE))
    round = asking.order_by("-number").defer("model")[0]
    round.campaign = campaign
    return round


def _check_samples(project: Project, samples: Sequence[Sample], kind: str) -> None:
    if not samples:
        raise RefusedError("A campaign needs at least one sample; choose a region that has some.", status=400)
    if any(sample.project_id != project.pk for sample in samples):
        raise RefusedError("All samples of a campaign must belong to its project.", status=400)
    if strange := next((sample for sample in samples if sample.kind != kind), None):
        raise RefusedError(
            f"Sample {strange.key!r} is of kind {strange.kind}, and this question is about {kind}.", status=400
        )


def _free_slug(project: Project, name: str) -> str:
    stem = slugify(name)[:70] or "campaign"
    taken = set(Campaign.objects.filter(project=project, slug__startswith=stem).values_list("slug", flat=True))
    return next(slug for slug in _slugs(stem) if slug not in taken)


def _slugs(stem: str) -> Iterable[str]:
    yield stem
    yield from (f"{stem}-{number}" for number in range(2, 1_000_000))
