"""What an expert sends and gets back for it, and which ballots make no sense."""

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from annotation import question as questions
from annotation.question import Answer, check_answer
from fusion.scheme import Scheme
from geoquorum.campaigns.services.refusal import RefusedError

Kind = Literal["answer", "skip", "taken_back"]
# Years that a client's clock may say (one that lost its battery says 1970): beyond, nothing could read the vote again.
FIRST_YEAR, LAST_YEAR = 1970, 2199
SAYING = ("kind", "code", "answer", "second_code", "is_sure", "skip_reason")  # what a vote says, by column


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """What an expert sends. `client_uuid` is made by the client: the same ballot sent again is one vote.

    `answer` holds what a question asks beside the code. The client's clock (`shown_at`, `decided_at`) is kept as told
    and decides nothing.
    """

    assignment: int
    client_uuid: uuid.UUID
    kind: Kind = "answer"
    session: int | None = None
    code: str = ""
    answer: dict[str, Any] | None = None
    second_code: str = ""
    is_sure: bool = True
    skip_reason: str = ""
    comment: str = ""
    shown_at: datetime.datetime | None = None
    decided_at: datetime.datetime | None = None
    views_opened: tuple[str, ...] = ()
    interface_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """Proof that a vote is stored; the same for every repetition of its ballot."""

    vote: int
    client_uuid: uuid.UUID
    assignment: int
    revision: int
    kind: str
    code: str
    received_at: datetime.datetime


def check_ballot(ballot: Ballot, question: str, scheme: Scheme) -> None:
    """Refuse what says two things, or names no class of the scheme."""
    says_something = bool(ballot.code or ballot.second_code or ballot.answer)
    if (ballot.kind == "skip") != bool(ballot.skip_reason) or (ballot.kind != "answer" and says_something):
        raise RefusedError(
            "A vote is an answer with a class, a skip with a reason, or a taking-back with neither.", status=400
        )
    if ballot.kind == "taken_back":
        return
    extra = {} if ballot.answer is None else {"extra": ballot.answer}
    answer = Answer(
        code=ballot.code,
        second=ballot.second_code,
        is_sure=ballot.is_sure,
        skip_reason=ballot.skip_reason,
        note=ballot.comment,
        **extra,
    )
    if error := check_answer(questions.find(question), scheme, answer):
        raise RefusedError(error, status=400)


def is_same(ballot: Ballot, assignment: int, said: Mapping[str, Any]) -> bool:
    """Whether a stored vote (`said`, by column) says what the ballot says; words and times are not compared."""
    return ballot.assignment == assignment and all(getattr(ballot, name) == said[name] for name in SAYING)


def used_elsewhere() -> RefusedError:
    """An id that names another vote already, or the same sample's with another answer."""
    return RefusedError("This client_uuid already names another vote; make a new one for each vote.")
