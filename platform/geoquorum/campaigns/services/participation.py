"""One expert's row in a round: own counts and place in the order, kept by claims and votes."""

from geoquorum.statements import fetch_row

# Where no claim made the row: votes brought in from elsewhere. Counted once, from then on kept.
COUNT_ANEW = """
WITH made AS (
  INSERT INTO campaigns_participation
    (round_id, expert_id, answered, skipped, claims, last_place, allowance, model_version)
  SELECT %(round)s, %(expert)s, count(*) FILTER (WHERE state = 'answered'), count(*) FILTER (WHERE state = 'skipped'),
    count(*), '', 0, 0
  FROM campaigns_assignment WHERE round_id = %(round)s AND expert_id = %(expert)s
  ON CONFLICT DO NOTHING RETURNING id)
SELECT id FROM made
UNION ALL SELECT id FROM campaigns_participation WHERE round_id = %(round)s AND expert_id = %(expert)s
"""


def count_anew(*, round_id: int, expert_id: int) -> int:
    """The row's number; it is made where there is none."""
    row = fetch_row(COUNT_ANEW, {"round": round_id, "expert": expert_id})
    assert row is not None  # made or found, and the expert's turn keeps others from making it meanwhile
    return int(row["id"])
