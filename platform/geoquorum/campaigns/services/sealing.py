"""Votes are sealed in batches: a hash chain per campaign in the database, and its links in a file outside of it.

Row G8 of the threats: who owns the database can change, delete, insert and reorder rows, and cut the end of the chain
off. The chain shows the first four, the file of links shows the last. A vote younger than the last seal is not
protected yet; that is at most a minute.
"""

import os
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from geoquorum.campaigns.models import Campaign, Seal
from geoquorum.campaigns.services.chain import link, read_rows, start_of
from geoquorum.campaigns.services.gate import KEY, LARGEST_KEY
from geoquorum.campaigns.services.refusal import RefusedError

TURN = 71_004  # first half of the advisory key: one sealer per campaign
WAIT_S = 20.0  # a batch begins to be sealed when its oldest vote is this old; the promise is 60 s
PATIENCE_S = 2.0
BATCH = 50_000  # votes per seal at most: 800 kB of digests

WAITING = """
SELECT c.id, last.last_vote, rounds.ids
FROM campaigns_campaign c
CROSS JOIN LATERAL (SELECT array_agg(id) AS ids FROM campaigns_round r WHERE r.campaign_id = c.id) AS rounds
LEFT JOIN LATERAL (
  SELECT last_vote FROM campaigns_seal s WHERE s.campaign_id = c.id ORDER BY number DESC LIMIT 1) AS last ON TRUE
WHERE EXISTS (
  SELECT FROM campaigns_round r CROSS JOIN LATERAL (
    SELECT received_at FROM campaigns_vote v WHERE v.round_id = r.id AND v.id > coalesce(last.last_vote, 0)
    ORDER BY v.id LIMIT 1) AS oldest
  WHERE r.campaign_id = c.id AND oldest.received_at < clock_timestamp() - make_interval(secs => %(age)s))
"""
NEWEST = """
SELECT max(newest.id) FROM campaigns_round r CROSS JOIN LATERAL (
  SELECT v.id FROM campaigns_vote v WHERE v.round_id = r.id ORDER BY v.id DESC LIMIT 1) AS newest
WHERE r.campaign_id = %s
"""
INSIDE = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND objsubid = 2 AND granted AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def seal_votes() -> dict[str, int]:
    """Housekeeping: seal each campaign whose oldest unsealed vote waits long enough, and write the links outside."""
    return {"sealed": _seal(_find_waiting(WAIT_S))}


def seal_all() -> int:
    """Seal whatever is not sealed yet, however young, and complete the files of links; the number of votes."""
    sealed = _seal(_find_waiting(0.0))
    for campaign in Seal.objects.order_by("campaign").values_list("campaign", flat=True).distinct():
        write_anchor(campaign_id=campaign)
    return sealed


def seal_campaign(*, campaign_id: int) -> int:
    """Seal all votes cast until now; the number of votes newly sealed."""
    return _seal([campaign_id])


def seal_over(*, campaign_id: int, last_vote: int) -> Seal:
    """The first link that covers the votes up to this number, which are sealed now where they were not: the same one
    whenever it is asked for. Raises RefusedError while somebody inside the gate keeps them from being sealed."""
    covering = Seal.objects.filter(campaign=campaign_id, last_vote__gte=last_vote).defer("row_digests")
    found = covering.order_by("number").first()
    if found is None:
        seal_campaign(campaign_id=campaign_id)
        found = covering.order_by("number").first()
    if found is None:
        raise RefusedError(
            "These votes are not sealed yet, as many votes are being brought in just now. Try again in a minute."
        )
    return found


def _seal(campaigns: Sequence[int]) -> int:
    """Seal what each of these campaigns has now; the number of votes newly sealed.

    Numbers are drawn before votes are committed, so that a vote may appear below one that is there already. Whoever
    draws one has passed the gate of its campaign: when those have left who were inside at the time of looking, none is
    missing below. Campaigns wait side by side, so that a long import into one keeps only that one from being sealed.
    """
    waiting = [_Look(campaign) for campaign in campaigns]
    sealed, deadline = 0, time.monotonic() + PATIENCE_S
    while True:
        for look in [each for each in waiting if each.is_over()]:
            waiting.remove(look)
            sealed += add_seals(campaign_id=look.campaign_id, until=look.until)
            write_anchor(campaign_id=look.campaign_id)
        if not waiting or time.monotonic() > deadline:
            return sealed
        time.sleep(0.01)


class _Look:
    """The newest vote of a campaign, and who was inside its gate right after that was looked up.

    Those who come later draw numbers above it, and do not matter.
    """

    def __init__(self, campaign_id: int) -> None:
        self.campaign_id = campaign_id
        self.until: int = _fetch(NEWEST, [campaign_id])[0][0] or 0
        self._inside = self._who_is_inside()

    def is_over(self) -> bool:
        """Whether all of them have left."""
        if self._inside:
            self._inside &= self._who_is_inside()
        return not self._inside

    def _who_is_inside(self) -> set[tuple[str]]:
        return set(_fetch(INSIDE, [KEY, self.campaign_id & LARGEST_KEY]))


@transaction.atomic
def add_seals(*, campaign_id: int, until: int) -> int:
    """Append links over the votes up to number `until`, which must all be committed."""
    _fetch("SELECT pg_advisory_xact_lock(%s, %s)", [TURN, campaign_id & LARGEST_KEY])
    last = Seal.objects.filter(campaign=campaign_id).defer("row_digests").order_by("-number").first()
    number, after, previous = (last.number, last.last_vote, last.digest) if last else (0, 0, start_of(campaign_id))
    rounds = list(Campaign(pk=campaign_id).rounds.values_list("pk", flat=True))
    rows, sealed = read_rows(rounds, after=after, until=until), 0
    seals = []
    while batch := list(islice(rows, BATCH)):
        number, digests = number + 1, b"".join(digest for _id, digest in batch)
        made = _make(campaign_id, number, batch, previous, digests)
        seals.append(made)
        previous, sealed = made.digest, sealed + len(batch)
    Seal.objects.bulk_create(seals, batch_size=20)
    return sealed


def _make(campaign_id: int, number: int, batch: Sequence[tuple[int, bytes]], previous: str, digests: bytes) -> Seal:
    return Seal(
        campaign_id=campaign_id,
        number=number,
        first_vote=batch[0][0],
        last_vote=batch[-1][0],
        votes_count=len(batch),
        previous=previous,
        digest=link(previous, number, digests),
        row_digests=digests,
    )


def anchor_of(campaign_id: int) -> Path:
    """The file of links of a campaign: `number digest last_vote` in each line."""
    return Path(settings.GEOQUORUM_HOME) / "seals" / f"campaign-{campaign_id}.txt"


def write_anchor(*, campaign_id: int) -> None:
    """Append the links that the file lacks, and wait until the disk has them."""
    path = anchor_of(campaign_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = max(read_anchor(path), default=0)
    links = Seal.objects.filter(campaign=campaign_id, number__gt=written).order_by("number")
    lines = [
        f"{number} {digest} {last}\n" for number, digest, last in links.values_list("number", "digest", "last_vote")
    ]
    if not lines:
        return
    with path.open("a") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())


def read_anchor(path: Path) -> dict[int, str]:
    """Digest by number; a last line that a crash cut short is left out."""
    if not path.exists():
        return {}
    lines = (line.split() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))
    return {int(words[0]): words[1] for words in lines if len(words) == 3}


def _find_waiting(age_s: float) -> list[int]:
    return [row[0] for row in _fetch(WAITING, {"age": age_s})]


def _fetch(statement: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
