"""A campaign that lets nobody vote before a passed try, and tries that are answered."""

import uuid

from geoquorum.campaigns.models import Gold
from geoquorum.campaigns.services import Ballot
from geoquorum.campaigns.services.qualification import cast_in_attempt, claim_attempt
from tests import given

RULES = {"qualification": {"threshold": 0.7, "samples": 6, "tries": 3}}
KEY = ("1", "2", "5", "6", "A", "G")


def open_campaign():
    """Four known samples of each class of the key, and tries of six."""
    made = given.campaign(given.project(), count=5, policy=RULES)
    add_gold(made, 4)
    return made


def add_gold(campaign, times, use="qualify"):
    for code in KEY:
        for sample in given.samples(campaign.project, times):
            Gold.objects.create(campaign=campaign, sample=sample, code=code, use=use, explanation="why-canary")


def answer(attempt, wrong=0, skip=0, said="9"):
    """Answers all samples of a try, the first few wrong, the next few skipped; says how many there were."""
    key = dict(Gold.objects.filter(campaign=attempt.campaign).values_list("sample_id", "code"))
    total = 0
    while claimed := claim_attempt(attempt=attempt, session=None, count=4):
        for one in claimed:
            if total < wrong:
                fields = {"code": said}
            elif total < wrong + skip:
                fields = {"kind": "skip", "skip_reason": "6"}
            else:
                fields = {"code": key[one.sample_id]}
            cast(attempt, one.pk, **fields)
            total += 1
    attempt.refresh_from_db()
    return total


def cast(attempt, assignment, **fields):
    ballot = Ballot(**{"assignment": assignment, "client_uuid": uuid.uuid4()} | fields)
    return cast_in_attempt(attempt=attempt, ballot=ballot)
