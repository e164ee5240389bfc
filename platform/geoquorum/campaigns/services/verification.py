"""Does what is stored agree with the seals? Any change, insertion, deletion, reordering or cut tail is found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from django.db import connection, transaction

from geoquorum.campaigns.models import Campaign, Seal
from geoquorum.campaigns.services.chain import ROW_BYTES, link, read_rows, start_of
from geoquorum.campaigns.services.sealing import anchor_of, read_anchor

# A vote repeats its assignment's columns without a foreign key for each.
STRANGE = """
SELECT v.id FROM campaigns_vote v
LEFT JOIN campaigns_assignment a ON a.id = v.assignment_id LEFT JOIN campaigns_round r ON r.id = a.round_id
WHERE (v.campaign_id = %(campaign)s OR r.campaign_id = %(campaign)s)
  AND (v.round_id, v.sample_id, v.expert_id, v.campaign_id)
    IS DISTINCT FROM (a.round_id, a.sample_id, a.expert_id, r.campaign_id)
ORDER BY v.id LIMIT 1
"""

Row = tuple[int, bytes]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a check found. `fault` is empty where all is well; else one sentence that names the first bad row."""

    campaign: int
    seals: int
    votes: int
    fault: str = ""
    vote: int | None = None

    @property
    def is_good(self) -> bool:
        return not self.fault


class _SealError(Exception):
    """The first fault; it ends the check."""

    def __init__(self, sentence: str, vote: int | None = None) -> None:
        super().__init__(sentence)
        self.vote = vote


@transaction.atomic
def verify_seals(*, campaign: Campaign, anchor: Mapping[int, str] | None = None) -> Verdict:
    """Compare the votes with the seals, and the seals with the file of links (or with `anchor`, digest by number)."""
    seals = list(Seal.objects.filter(campaign=campaign).order_by("number"))
    told = read_anchor(anchor_of(campaign.pk)) if anchor is None else anchor
    checked = 0
    try:
        _check_links(campaign.pk, seals)
        _check_anchor(seals, told)
        rounds = list(campaign.rounds.values_list("pk", flat=True))
        rows = read_rows(rounds, after=0, until=seals[-1].last_vote if seals else 0)
        for seal in seals:
            _check_batch(seal, rows)
            checked += seal.votes_count
        if extra := next(rows, None):
            raise _SealError(f"Vote {extra[0]} is stored among sealed votes and was never sealed.", extra[0])
        _check_columns(campaign.pk)
    except _SealError as fault:
        return Verdict(campaign=campaign.pk, seals=len(seals), votes=checked, fault=str(fault), vote=fault.vote)
    return Verdict(campaign=campaign.pk, seals=len(seals), votes=checked)


def _check_links(campaign_id: int, seals: list[Seal]) -> None:
    previous = start_of(campaign_id)
    for number, seal in enumerate(seals, start=1):
        digests = bytes(seal.row_digests)
        is_good = (
            seal.number == number
            and seal.previous == previous
            and len(digests) == ROW_BYTES * seal.votes_count
            and link(previous, number, digests) == seal.digest
        )
        if not is_good:
            raise _SealError(f"Seal {number} does not follow from the one before: the chain itself was changed.")
        previous = seal.digest


def _check_anchor(seals: list[Seal], told: Mapping[int, str]) -> None:
    stored = {seal.number: seal.digest for seal in seals}
    for number, digest in sorted(told.items()):
        if number not in stored:
            raise _SealError(f"Seal {number} is known outside the database and gone from it: the end was cut off.")
        if stored[number] != digest:
            raise _SealError(f"Seal {number} differs from what was written outside the database when it was made.")


def _check_batch(seal: Seal, rows: Iterator[Row]) -> None:
    """The next rows must be those of the seal, one for one."""
    digests = bytes(seal.row_digests)
    sealed = [digests[place : place + ROW_BYTES] for place in range(0, len(digests), ROW_BYTES)]
    found = list(islice(rows, len(sealed)))
    for place, digest in enumerate(sealed):
        if place >= len(found):
            raise _SealError(f"A vote of seal {seal.number} is gone: the last ones up to vote {seal.last_vote}.")
        if found[place][1] != digest:
            raise _name_row(seal, sealed, found, place)


def _name_row(seal: Seal, sealed: list[bytes], found: list[Row], place: int) -> _SealError:
    """What happened at the first place where rows and seal differ."""
    vote, digest = found[place]
    if vote > seal.last_vote or digest in sealed[place:]:
        before = found[place - 1][0] if place else seal.first_vote - 1
        return _SealError(f"A vote between {before} and {vote} is gone (seal {seal.number}).", vote)
    if sealed[place] in [following for _id, following in found[place:]]:
        return _SealError(f"Vote {vote} was put in among the votes of seal {seal.number}.", vote)
    return _SealError(f"Vote {vote} is not what it was when seal {seal.number} was made.", vote)


def _check_columns(campaign_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(STRANGE, {"campaign": campaign_id})
        row = cursor.fetchone()
    if row is not None:
        raise _SealError(f"Vote {row[0]} does not agree with the claim it was cast on.", row[0])
