"""The gate of a campaign: votes and claims pass it together, closing waits for all of them and holds it alone.

Advisory locks queue in order, so a steady stream of votes cannot keep the curator waiting, as it can with row locks
(share locks on a row overtake a waiting exclusive one); and a vote then writes nothing to the campaign's row.
"""

from django.db import connection

from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.statements import execute

KEY = 71_001  # first half of the advisory key; the second is the campaign's number
DESK = 71_003  # first half of an expert's own key: one person does one thing at a time
PASS = "SELECT pg_advisory_xact_lock_shared(%(key)s::int, %(campaign)s::int)"
PASS_ALONE = f"{PASS}, pg_advisory_xact_lock(%(desk)s::int, %(expert)s::int)"
LARGEST_KEY = 2**31 - 1


def enter_gate(*, campaign: Campaign, expert: Expert | None = None) -> None:
    """Pass for the rest of the transaction; read the campaign's state only after this.

    With an expert nobody else acts for that expert meanwhile, so own claims and votes need no locks of their own.
    """
    values = {"key": KEY, "campaign": campaign.pk & LARGEST_KEY}
    if expert is None:
        execute(PASS, values)
    else:
        execute(PASS_ALONE, values | {"desk": DESK, "expert": expert.pk & LARGEST_KEY})


def hold_gate(*, campaign: Campaign) -> Campaign:
    """Wait until nobody is inside and keep everybody out; returns the campaign's row, read anew and locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [KEY, campaign.pk & LARGEST_KEY])
    return Campaign.objects.select_for_update().get(pk=campaign.pk)


def refuse_unless_open(*, state: str, is_round_over: bool = False) -> None:
    """One sentence for each reason not to take a vote or a claim."""
    if state == "draft":
        raise RefusedError("This campaign is not open yet.")
    if state == "closed":
        raise RefusedError("This campaign is closed; its votes are final.")
    if is_round_over:
        raise RefusedError("This round is over; its votes are final.")
