"""What goes over the wire, typed: one shape for the vote page's endpoints and for the API."""

import datetime
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field

from annotation import question as questions
from geoquorum.campaigns.models import Assignment, Campaign, RoundSample, Vote
from geoquorum.campaigns.services import Ballot, Receipt
from geoquorum.campaigns.services.ballots import FIRST_YEAR, LAST_YEAR
from geoquorum.catalog.content import describe_samples
from geoquorum.catalog.models import Sample

Number = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
Text40 = Annotated[str, Field(max_length=40)]


def check_year(told: datetime.datetime) -> datetime.datetime:
    """A clock may be wrong, but not so that Python cannot read the vote again."""
    if not FIRST_YEAR <= told.year <= LAST_YEAR:
        raise ValueError(f"a time between the years {FIRST_YEAR} and {LAST_YEAR} is needed")
    return told


Time = Annotated[datetime.datetime, AfterValidator(check_year)]


class Closed(Schema):
    """A body without unknown fields and without NUL."""

    model_config = ConfigDict(extra="forbid")


class ClaimIn(Closed):
    """How many samples one wants to hold; `session` as given by the session's start."""

    count: Annotated[int, Field(ge=1, le=50)] = 5
    session: Number | None = None


class BallotIn(Closed):
    """One vote. `answer` holds what the question's further fields ask for, by their names; `want` asks for the next
    claims in the same answer (0: none)."""

    assignment: Number
    client_uuid: uuid.UUID
    kind: Literal["answer", "skip", "taken_back"] = "answer"
    session: Number | None = None
    code: Text40 = ""
    second_code: Text40 = ""
    answer: dict[str, Any] | None = None
    is_sure: bool = True
    skip_reason: Annotated[str, Field(max_length=4)] = ""
    comment: Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*$")] = ""
    shown_at: Time | None = None
    decided_at: Time | None = None
    views_opened: Annotated[list[Annotated[Text40, Field(pattern=r"^[^\x00]*$")]], Field(max_length=50)] = []
    interface_version: Annotated[Text40, Field(pattern=r"^[^\x00]*$")] = ""
    want: Annotated[int, Field(ge=0, le=50)] = 0

    def to_ballot(self) -> Ballot:
        """The same as the service takes it."""
        fields = self.model_dump(exclude={"want", "views_opened"})
        return Ballot(**fields, views_opened=tuple(self.views_opened))


class SessionIn(Closed):
    """The start of a sitting."""

    device: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""
    interface_version: Annotated[Text40, Field(pattern=r"^[^\x00]*$")] = ""


class SampleOut(Schema):
    """What an expert may know of a sample: nothing that anybody said about it.

    `prompt` is the class that it is asked about, where the question proposes one; `content` is what a photo, a post or
    an area holds (catalog.content), empty for patches.
    """

    id: int
    key: str
    kind: str
    region: int | None
    longitude: float | None
    latitude: float | None
    pixel_size_m: float | None
    width_px: int | None
    height_px: int | None
    is_simulated: bool
    prompt: str = ""
    content: dict[str, Any] = {}


class AssignmentOut(Schema):
    """One claim."""

    id: int
    sample: SampleOut
    lease_until: datetime.datetime | None


class OwnVoteOut(AssignmentOut):
    """One's own vote as one cast it; `id` is that of the claim, `vote` the vote's own number."""

    vote: int
    received_at: datetime.datetime
    kind: str
    code: str
    second_code: str
    answer: dict[str, Any] | None = None
    is_sure: bool
    skip_reason: str
    revision: int


class ReceiptOut(Schema):
    """Proof of a stored vote; a repetition of the ballot gets the same."""

    vote: int
    client_uuid: uuid.UUID
    assignment: int
    revision: int
    kind: str
    code: str
    received_at: datetime.datetime


def show_assignments(claimed: Sequence[Assignment], *, campaign: Campaign) -> list[dict[str, Any]]:
    """Claims for an expert's eyes, in their order; patches cost no query."""
    content = describe_samples([each.sample for each in claimed])
    prompts = _find_prompts(claimed, campaign)
    return [
        show_assignment(each, prompt=prompts.get(each.sample_id, ""), content=content[each.sample_id])
        for each in claimed
    ]


def show_assignment(
    assignment: Assignment, *, prompt: str = "", content: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A claim for an expert's eyes."""
    shown = show_sample(assignment.sample)
    shown.prompt, shown.content = prompt, content or {}
    return AssignmentOut(id=assignment.pk, sample=shown, lease_until=assignment.lease_until).model_dump()


def show_sample(sample: Sample) -> SampleOut:
    """A sample for an expert's eyes."""
    return SampleOut(region=sample.region_id, **{name: getattr(sample, name) for name in SAMPLE_FIELDS})


def show_receipt(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON."""
    return ReceiptOut(**vars(receipt)).model_dump()


def show_own_votes(votes: Sequence[Vote], *, campaign: Campaign) -> list[dict[str, Any]]:
    """One's own votes as one cast them, with what is needed to show their samples again."""
    claims = show_assignments([vote.assignment for vote in votes], campaign=campaign)
    return [claim | _show_said(vote) for claim, vote in zip(claims, votes, strict=True)]


def _show_said(vote: Vote) -> dict[str, Any]:
    said = ("kind", "code", "second_code", "answer", "is_sure", "skip_reason", "revision")
    return {"vote": vote.pk, "received_at": vote.received_at} | {name: getattr(vote, name) for name in said}


def _find_prompts(claimed: Sequence[Assignment], campaign: Campaign) -> dict[int, str]:
    """What each sample is asked about, by its id; only where the question proposes a class.

    Second rounds, gold and repeats ask what the first round asked of the same sample.
    """
    if not claimed or questions.find(campaign.question).prompt_scheme is None:
        return {}
    rows = RoundSample.objects.filter(round__campaign=campaign, sample__in={each.sample_id for each in claimed})
    return dict(rows.exclude(prompt="").order_by("-pk").values_list("sample", "prompt"))


SAMPLE_FIELDS = tuple(name for name in SampleOut.model_fields if name not in ("region", "prompt", "content"))
