"""The gate of a campaign: votes and claims pass it together, closing waits for all of them and holds it alone.

Advisory locks queue in order, so a steady stream of votes cannot keep the curator waiting, as it can with row locks
(share locks on a row overtake a waiting exclusive one); and a vote then writes nothing to the campaign's row.
"""

from django.db import connection

from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.refusal import RefusedError

KEY = 71_001  # first half of the advisory key; the second is the campaign's number


def enter_gate(*, campaign: Campaign) -> None:
    """Pass for the rest of the transaction; read the campaign's state only after this."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [KEY, campaign.pk])


def hold_gate(*, campaign: Campaign) -> Campaign:
    """Wait until nobody is inside and keep everybody out; returns the campaign's row, read anew and locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [KEY, campaign.pk])
    return Campaign.objects.select_for_update().get(pk=campaign.pk)


def refuse_unless_open(*, state: str, is_round_over: bool = False) -> None:
    """One sentence for each reason not to take a vote or a claim."""
    if state == "draft":
        raise RefusedError("This campaign is not open yet.")
    if state == "closed":
        raise RefusedError("This campaign is closed; its votes are final.")
    if is_round_over:
        raise RefusedError("This round is over; its votes are final.")
