"""An alarm where votes stop: people who were voting all fall silent at once, with samples still in their hands (G12).

A save path that is broken anywhere between the browser and the table looks like this, and like nothing else for long:
who has finished holds no sample, who goes away ends the sitting or stops at another moment than the others.
"""

import logging

from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Campaign
from geoquorum.statements import fetch_rows

QUIET_S = 180  # no vote for so long; the promise is an alarm within five minutes
LATEST_S = 900  # later than that nobody is called any more
AT_WORK_S = 600  # before the last vote: who voted in that time was at work ...
FEWEST_VOTES = 5
TOGETHER_S = 60  # ... and fell silent with the others when the own last vote is so near to the last of all
READ = 3_000  # latest votes of a round that are looked at
FEWEST_PEOPLE = 3  # two may well go for a coffee
STOPPED = "votes stopped"

# The newest vote of each open campaign by the index of rounds; nothing else is read while votes come in.
QUIET = """
SELECT c.id AS campaign, last.received_at AS since
FROM campaigns_campaign c CROSS JOIN LATERAL (
  SELECT max(newest.received_at) AS received_at FROM campaigns_round r CROSS JOIN LATERAL (
    SELECT v.received_at FROM campaigns_vote v WHERE v.round_id = r.id ORDER BY v.id DESC LIMIT 1) AS newest
  WHERE r.campaign_id = c.id) AS last
WHERE c.state = 'open'
  AND last.received_at < clock_timestamp() - make_interval(secs => %(quiet)s)
  AND last.received_at > clock_timestamp() - make_interval(secs => %(latest)s)
  AND NOT EXISTS (SELECT FROM accounts_event e WHERE e.action = %(action)s
                  AND e.subject = 'campaign ' || c.id AND e.at > last.received_at)
"""
SILENT = """
SELECT count(*) AS people FROM (
  SELECT v.expert_id FROM campaigns_round r CROSS JOIN LATERAL (
    SELECT expert_id, received_at FROM campaigns_vote WHERE round_id = r.id ORDER BY id DESC LIMIT %(read)s) AS v
  JOIN accounts_expert e ON e.id = v.expert_id AND e.kind = 'person'
  WHERE r.campaign_id = %(campaign)s
    AND v.received_at > %(since)s::timestamptz - make_interval(secs => %(at_work)s)
  GROUP BY v.expert_id
  HAVING count(*) >= %(fewest)s
    AND max(v.received_at) > %(since)s::timestamptz - make_interval(secs => %(together)s)
) AS worker
WHERE EXISTS (SELECT FROM campaigns_assignment a JOIN campaigns_round r ON r.id = a.round_id AND r.closed_at IS NULL
              WHERE r.campaign_id = %(campaign)s AND a.expert_id = worker.expert_id AND a.state = 'claimed')
  AND NOT EXISTS (SELECT FROM campaigns_session s WHERE s.campaign_id = %(campaign)s
                  AND s.expert_id = worker.expert_id
                  AND s.ended_at > %(since)s::timestamptz - make_interval(secs => %(together)s))
"""

logger = logging.getLogger(__name__)


def warn_of_silence() -> dict[str, int]:
    """Housekeeping: one line in the log and one in the record for each campaign whose votes stopped."""
    asked = {"quiet": QUIET_S, "latest": LATEST_S, "action": STOPPED}
    return {"silent": sum(_look(row) for row in fetch_rows(QUIET, asked))}


def _look(row: dict[str, object]) -> bool:
    limits = {"at_work": AT_WORK_S, "together": TOGETHER_S, "fewest": FEWEST_VOTES, "read": READ}
    people = fetch_rows(SILENT, row | limits)[0]["people"]
    if people < FEWEST_PEOPLE:
        return False
    campaign = Campaign.objects.select_related("project").get(pk=row["campaign"])
    logger.error(
        "campaign %s: %s people who were voting hold samples, and no vote was stored since %s; cast one yourself and "
        "look into the server's log",
        campaign.pk, people, row["since"],
    )  # fmt: skip
    detail = {"people": people, "since": str(row["since"])}
    record(project=campaign.project, actor=None, action=STOPPED, subject=f"campaign {campaign.pk}", detail=detail)
    return True
