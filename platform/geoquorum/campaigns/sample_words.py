"""What a person may see of one sample of a campaign: before the close words and the own votes, after it the votes."""

from typing import Any

from geoquorum.accounts.models import Expert, User
from geoquorum.campaigns import access
from geoquorum.campaigns.field_words import show_fields
from geoquorum.campaigns.models import (
    Adjudication,
    Campaign,
    CampaignState,
    Comment,
    Consensus,
    ConsensusRun,
    Round,
    Thread,
    Vote,
)
from geoquorum.campaigns.sample_pictures import describe_content, list_pictures
from geoquorum.campaigns.services.declaring import fields_of, scheme_of
from geoquorum.campaigns.services.disputes import ASKED, MAIN, may_read_thread
from geoquorum.campaigns.vote_bars import draw_posterior, draw_votes
from geoquorum.catalog.models import Sample


def is_open_to(user: User, campaign: Campaign, sample: Sample) -> bool:
    """Whether the sample's page and thread exist for this person."""
    expert = access.known_as(user=user, campaign=campaign)
    return may_read_thread(campaign=campaign, sample=sample, user=user, expert=expert)


def describe_sample(
    campaign: Campaign, sample: Sample, run: ConsensusRun | None, *, user: User, is_curator: bool
) -> dict[str, Any]:
    """All that the page shows; `run` is None before the close, and then nothing of others but words is read."""
    scheme, expert = scheme_of(campaign), access.known_as(user=user, campaign=campaign)
    thread = Thread.objects.filter(campaign=campaign, sample=sample).select_related("raised_by").first()
    context: dict[str, Any] = {
        "campaign": campaign,
        "sample": sample,
        "scheme": scheme,
        "pictures": list_pictures(campaign, sample),
        "content": describe_content(sample),
        "thread": thread,
        "comments": list(thread.comments.select_related("expert").order_by("pk")) if thread else [],
        "own_votes": _list_own(campaign, sample, expert) if expert else [],
        "expert": expert,
        "is_curator": is_curator,
        "is_closed": campaign.state == CampaignState.CLOSED,
    }
    return context if run is None else context | _describe_results(campaign, sample, run, is_curator=is_curator)


def _list_own(campaign: Campaign, sample: Sample, expert: Expert) -> Any:
    """Before the close the latest own vote alone: more would tell gold and repeats from the other samples."""
    if campaign.state == CampaignState.CLOSED:
        return _list_votes(campaign, sample).filter(expert=expert)
    own = Vote.objects.filter(campaign=campaign, sample=sample, expert=expert, round__purpose__in=ASKED)
    return own.select_related("round").order_by("-pk")[:1]


def _list_votes(campaign: Campaign, sample: Sample) -> Any:
    """The last word of each expert in each round over samples, the first round first."""
    votes = Vote.objects.filter(campaign=campaign, sample=sample, round__purpose__in=MAIN).select_related(
        "expert", "round"
    )
    return votes.order_by("assignment_id", "-revision").distinct("assignment_id")


def _describe_results(campaign: Campaign, sample: Sample, run: ConsensusRun, *, is_curator: bool) -> dict[str, Any]:
    scheme = scheme_of(campaign)
    row = Consensus.objects.filter(run=run, sample=sample).first()
    decisions = Adjudication.objects.filter(campaign=campaign, sample=sample).select_related("by", "round")
    notes = Comment.objects.filter(campaign=campaign, sample=sample, thread=None).select_related("expert")
    found: dict[str, Any] = {
        "run": run,
        "row": row,
        "rounds": _count_rounds(campaign, sample, run),
        "contradicting": [one for one in run.summary.get("models", []) if sample.pk in one["contradicted"]],
        "decisions": list(decisions.order_by("-pk")),
        "votes": _list_votes(campaign, sample) if is_curator else [],
        "notes": notes.order_by("pk") if is_curator else [],
    }
    if row is not None:
        found |= {"named": scheme.find(row.code), "bars": draw_posterior(scheme, row)}
        found["fields"] = show_fields(fields_of(campaign), row)
    return found


def _count_rounds(campaign: Campaign, sample: Sample, run: ConsensusRun) -> list[dict[str, Any]]:
    """Votes as a bar for each round that asked, by the method of the run shown."""
    scheme = scheme_of(campaign)
    ready = ConsensusRun.objects.filter(campaign=campaign, state=ConsensusRun.State.READY, method=run.method)
    newest = {one.round_id: one for one in ready.select_related("round").order_by("pk")}
    rows = Consensus.objects.filter(run__in=list(newest.values()), sample=sample).select_related("run__round")
    return [
        {"round": row.run.round, "bar": draw_votes(scheme, row.counts), "row": row, "named": scheme.find(row.code)}
        for row in rows.order_by("run__round__number")
        if row.run.round.purpose in (Round.Purpose.VOTE, Round.Purpose.DISPUTE)
    ]
