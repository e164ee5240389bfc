"""The hash chain over a campaign's votes: what of a row counts, and how links are made of rows.

digest of a row   = first 16 bytes of SHA-256 over its columns as PostgreSQL's COPY writes them, times in UTC
digest of a link  = SHA-256 over the link before, its own number and the digests of its rows, in the order of ids
"""

import hashlib
from collections.abc import Iterator, Sequence

from django.db import connection

ROW_BYTES = 16
# Every column that is stored, in a fixed order; the id comes first.
COLUMNS = (
    "id", "assignment_id", "revision", "client_uuid", "campaign_id", "round_id", "sample_id", "expert_id", "session_id",
    "kind", "code", "answer", "second_code", "is_sure", "skip_reason", "is_machine", "shown_at", "decided_at",
    "received_at", "views_opened", "interface_version", "question_version", "scheme_version",
)  # fmt: skip
ROWS = f"""
COPY (SELECT {", ".join(COLUMNS)} FROM campaigns_vote
      WHERE round_id = ANY(%(rounds)s) AND id > %(after)s AND id <= %(until)s ORDER BY id) TO STDOUT
"""
IN_UTC = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'"


def read_rows(rounds: Sequence[int], *, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    """(id, digest) of each stored vote with after < id <= until, by id; inside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(IN_UTC)
        with cursor.copy(ROWS, {"rounds": list(rounds), "after": after, "until": until}) as copy:
            rest = b""
            for block in copy:
                lines = (rest + bytes(block)).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    yield int(line[: line.index(b"\t")]), hashlib.sha256(line).digest()[:ROW_BYTES]


def start_of(campaign_id: int) -> str:
    """What stands before the first link."""
    return hashlib.sha256(f"geoquorum campaign {campaign_id}".encode()).hexdigest()


def link(previous: str, number: int, row_digests: bytes) -> str:
    """The digest of a link."""
    return hashlib.sha256(bytes.fromhex(previous) + number.to_bytes(8, "big") + row_digests).hexdigest()
