"""The model of an adaptive round, fitted anew by a job when enough votes came; votes never wait for it.

A refit writes the round's model and each expert's matrix under the next version. Samples keep the posterior of the
version before until somebody looks at them (beliefs.refresh).
"""

from typing import Any

from django.db import connection, transaction
from django.db.models import F, Max, Sum

from annotation import routing
from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import CampaignState, Round, Vote
from geoquorum.campaigns.services.tables import latest_votes
from geoquorum.queue.models import Job
from geoquorum.queue.services import Claim, enqueue

REFIT_MODEL = "geoquorum.campaigns.jobs.refit_model"
FIRST_AT = 100  # votes; below that matrices are guesses
GROWTH = 1.2  # a refit pays when so many times the votes of the last one are there
NEIGHBOURS = 5  # hard states of each class, as in annotation.policies.adaptive

WRITE_MATRICES = """
UPDATE campaigns_participation p SET log_likelihood = new.matrix::float8[], model_version = %(version)s
FROM unnest(%(experts)s::bigint[], %(matrices)s::text[]) AS new (expert, matrix)
WHERE p.round_id = %(round)s AND p.expert_id = new.expert
"""


def start_refits() -> dict[str, int]:
    """Housekeeping: a job for each adaptive round whose votes grew enough; one at a time for a round."""
    rounds = Round.objects.filter(
        campaign__state=CampaignState.OPEN, campaign__policy__kind="adaptive", closed_at=None,
        purpose__in=(Round.Purpose.VOTE, Round.Purpose.DISPUTE),
    )  # fmt: skip
    counted = rounds.annotate(cast=Sum("participations__answered")).select_related("campaign__project")
    due = [round for round in counted if (round.cast or 0) >= _next_at(round)]
    for round in due:
        key, project = f"refit of round {round.pk}", round.campaign.project
        enqueue(REFIT_MODEL, project=project, arguments={"round": round.pk}, unique_key=key)
    return {"refits": len(due)}


def refit_model(job: Job, claim: Claim) -> dict[str, Any]:
    """The job: read the votes so far, fit, and put the model in place in one step."""
    round = Round.objects.select_related("campaign").get(pk=job.arguments["round"])
    last = Vote.objects.filter(round=round).aggregate(last=Max("pk"))["last"]
    votes = latest_votes(round=round, until=last)
    claim.progress(0.2, f"{len(votes)} votes read")
    model = routing.fit_model(votes, neighbours=NEIGHBOURS)
    claim.progress(0.9, "model fitted")
    with transaction.atomic():
        claim.lock()
        version = _write(round, model, votes=len(votes), last=last or 0)
    return {"round": round.pk, "votes": len(votes), "version": version}


def _next_at(round: Round) -> float:
    return FIRST_AT if round.model is None else max(FIRST_AT, GROWTH * round.model["votes"])


def _write(round: Round, model: routing.Model, *, votes: int, last: int) -> int:
    ids = dict(
        Expert.objects.filter(project=round.campaign.project_id, pseudonym__in=list(model.experts)).values_list(
            "pseudonym", "pk"
        )
    )
    Round.objects.filter(pk=round.pk).update(
        model_version=F("model_version") + 1,
        model={
            "log_prior": model.log_prior.tolist(),
            "pooled": model.pooled.tolist(),
            "votes": votes,
            "last_vote": last,
        },
    )
    round.refresh_from_db(fields=["model_version"])
    known = [(ids[name], table) for name, table in model.experts.items() if name in ids]
    values: dict[str, Any] = {"version": round.model_version, "round": round.pk}
    values["experts"] = [expert for expert, _table in known]
    values["matrices"] = ["{" + ",".join(map(repr, table.ravel().tolist())) + "}" for _expert, table in known]
    with connection.cursor() as cursor:
        cursor.execute(WRITE_MATRICES, values)
    return round.model_version
