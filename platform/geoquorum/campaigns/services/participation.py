"""One expert's row in a round: own counts and place in the order, kept by claims, votes and imports."""

from geoquorum.statements import fetch_row

# It begins at nothing: whatever stores a vote keeps the row, so who has none has not voted in the round.
BEGIN = """
INSERT INTO campaigns_participation AS own
  (round_id, expert_id, answered, skipped, claims, last_place, allowance, model_version)
VALUES (%(round)s, %(expert)s, 0, 0, 0, '', 0, 0)
ON CONFLICT (round_id, expert_id) DO UPDATE SET answered = own.answered RETURNING id
"""


def begin(*, round_id: int, expert_id: int) -> int:
    """The number of a new row; or that of the row which an import made meanwhile."""
    row = fetch_row(BEGIN, {"round": round_id, "expert": expert_id})
    assert row is not None  # INSERT ... RETURNING
    return int(row["id"])
