"""From votes to labels: runs are queued when a campaign closes, a job fills them, and then they never change."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from annotation import consensus as methods_of
from annotation.agreement import co_votes, fleiss_kappa, percent_agreement
from annotation.answer_fields import conclude_fields
from annotation.consensus import ADAPTIVE_DEFAULT, ConsensusResult, wilson
from annotation.votes import VoteTable
from fusion.errors import GeoquorumError
from geoquorum.accounts.models import User
from geoquorum.campaigns.models import Assignment, Campaign, CampaignState, Consensus, ConsensusRun, Round, Vote
from geoquorum.campaigns.services.agreement import find_agreement
from geoquorum.campaigns.services.declaring import fields_of, scheme_of
from geoquorum.campaigns.services.model_voters import judge_models, list_models
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.campaigns.services.tables import latest_extra, latest_votes
from geoquorum.copying import copy_in
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import Claim, enqueue

# What closing a campaign starts: the simplest, the one of the textbook, and the default.
METHODS = ("majority", "dawid_skene", methods_of.DEFAULT)
# Where hard samples got more votes than easy ones, methods that do not know of hard samples go wrong (Dawid-Skene by
# up to 40 points on simulated panels); what chose the votes also labels them.
ADAPTIVE_METHODS = ("majority", ADAPTIVE_DEFAULT)
REFIT = "geoquorum.campaigns.jobs.refit"


@transaction.atomic
def start_consensus(
    *, round: Round, methods: Sequence[str] = (), by: User | None, parameters: dict[str, float] | None = None
) -> list[ConsensusRun]:
    """One run and one job for each method, those for its policy where none is named.

    Refused while nobody may see labels: before the close, unless unblinded.
    """
    is_open = round.campaign.state != CampaignState.CLOSED and round.closed_at is None
    if is_open and round.campaign.unblinded_at is None:
        raise RefusedError("A consensus is made when the campaign is closed; close it first.")
    if not Assignment.objects.filter(round=round, state=Assignment.State.ANSWERED).exists():
        raise RefusedError("This round has no votes; a consensus needs at least one.")
    fitting = methods_of.load_all("class")
    if strange := [name for name in methods if name not in fitting]:
        known = ", ".join(fitting)
        told = f"{', '.join(strange)}: no method for votes that each name one class. Known: {known}."
        raise RefusedError(told, status=400)
    chosen = methods or list_methods(round.campaign)
    return [_start(round, name, by, parameters or {}) for name in chosen]


def list_methods(campaign: Campaign) -> tuple[str, ...]:
    """What closing this campaign starts, the one to go by last."""
    return ADAPTIVE_METHODS if campaign.policy.get("kind") == "adaptive" else METHODS


def _start(round: Round, method: str, by: User | None, parameters: dict[str, float]) -> ConsensusRun:
    run = ConsensusRun.objects.create(campaign=round.campaign, round=round, method=method, parameters=parameters)
    run.job = enqueue(REFIT, project=round.campaign.project, arguments={"run": run.pk}, by=by)
    run.save(update_fields=["job"])
    return run


def refit(job: Job, claim: Claim) -> dict[str, Any]:
    """The job: fill the run it names. A run that is READY stays as it is, so that a second attempt does no harm."""
    run = ConsensusRun.objects.select_related("round__campaign", "campaign__project").get(pk=job.arguments["run"])
    if run.state != ConsensusRun.State.READY:
        try:
            _fill(run, claim)
            find_agreement(run)  # so that no page has to
        except GeoquorumError:
            ConsensusRun.objects.filter(pk=run.pk).update(state=ConsensusRun.State.FAILED)
            raise
    return {"run": run.pk, "samples": run.samples_count, "votes": run.votes_count}


def settle() -> int:
    """Ends runs whose job ended without them: the worker died too often, or the job was cancelled."""
    left = ConsensusRun.objects.filter(
        state=ConsensusRun.State.QUEUED, job__state__in=[JobState.FAILED, JobState.CANCELLED]
    )
    return left.update(state=ConsensusRun.State.FAILED)


def _fill(run: ConsensusRun, claim: Claim) -> None:
    last = Vote.objects.filter(round=run.round).aggregate(last=Max("pk"))["last"]
    method = methods_of.find(run.method)
    votes, result, models = _aggregate(run, last, claim)
    claim.progress(0.6, "labels found")
    rows = _tabulate(run, votes, result)
    if fields_of(run.campaign):
        rows = rows.append_column("fields", _write_fields(run, last, result))
        claim.progress(0.8, "further fields found")
    run.last_vote, run.votes_count, run.samples_count = last, len(votes), len(result)
    run.parameters, run.experts = dict(result.parameters), [str(name) for name in result.voter_ids]
    run.expert_confusion = None if result.confusion is None else np.round(result.confusion, 5).tolist()
    run.summary = summarise(votes, result, run.campaign.seed) | {"models": models}
    run.code_revision = f"geoquorum {version('geoquorum')}, {method.name} {method.version}"
    run.state, run.ready_at = ConsensusRun.State.READY, timezone.now()
    with transaction.atomic():
        claim.lock()
        copy_in(Consensus, rows)
        run.save()


def _aggregate(
    run: ConsensusRun, last: int | None, claim: Claim
) -> tuple[VoteTable, ConsensusResult, list[dict[str, Any]]]:
    """The votes that count and what they amount to: everybody's, models' only where they beat the panel on gold."""
    method, models = methods_of.find(run.method), list_models(run.round)
    votes = latest_votes(round=run.round, until=last, without=models)
    claim.progress(0.2, f"{len(votes)} votes read")
    result = method.aggregate(votes, run.campaign.seed, run.parameters)
    if not models:
        return votes, result, []
    every = latest_votes(round=run.round, until=last)
    judged = judge_models(run.round, models, every, result)
    strange = [one["expert"] for one in judged if not one["is_admitted"]]
    if len(strange) < len(models):
        votes = latest_votes(round=run.round, until=last, without=strange)
        result = method.aggregate(votes, run.campaign.seed, run.parameters)
    return votes, result, judged


def summarise(votes: VoteTable, result: ConsensusResult, seed: int = 0) -> dict[str, Any]:
    """Figures of the consensus page, JSON-ready: agreement with intervals, counts, co-votes, each expert's score."""
    has_pairs = bool((votes.votes_per_sample >= 2).any())
    pairs = asdict(percent_agreement(votes, seed)) if has_pairs else None
    kappa = asdict(fleiss_kappa(votes, seed)) if has_pairs else None
    return _without_nan(
        {
            "pair_agreement": pairs,
            "fleiss_kappa": kappa,
            "settled": int((~result.is_disputed).sum()),
            "disputed": int(result.is_disputed.sum()),
            "ties": int(result.is_tie.sum()),
            "labels": np.bincount(result.label, minlength=votes.n_classes).tolist(),
            "co_votes": co_votes(votes).tolist(),
            "experts": _score_experts(votes, result),
            "is_credible": result.is_credible,
            "confusion_interval": _write_interval(result),
            "iterations": result.iterations,
            "converged": result.converged,
        }
    )


def _write_interval(result: ConsensusResult) -> dict[str, Any] | None:
    """Credible bounds of each cell of the experts' matrices, [e, k, k] each, from methods that know them."""
    if result.confusion_interval is None:
        return None
    low, high = (np.round(table, 4).tolist() for table in result.confusion_interval)
    return {"low": low, "high": high}


def _score_experts(votes: VoteTable, result: ConsensusResult) -> list[dict[str, Any]]:
    """Each expert's share of votes that name the label, with its Wilson interval; own votes are part of the label."""
    is_same = votes.answer == result.label[votes.sample]
    count = np.bincount(votes.voter, minlength=votes.n_voters)
    share = np.bincount(votes.voter, is_same, votes.n_voters) / np.maximum(count, 1)
    low, high = wilson(share, np.maximum(count, 1))
    table = zip(votes.voter_ids, count.tolist(), share.tolist(), low.tolist(), high.tolist(), strict=True)
    return [{"expert": str(name), "n": n, "value": v, "low": lo, "high": hi} for name, n, v, lo, hi in table if n]


def _tabulate(run: ConsensusRun, votes: VoteTable, result: ConsensusResult) -> pa.Table:
    """Consensus rows as the database's columns."""
    codes = np.array(scheme_of(run.campaign).codes)
    status = np.where(result.is_disputed, Consensus.Status.DISPUTED, Consensus.Status.SETTLED)
    return pa.table(
        {
            "run_id": pa.repeat(run.pk, len(result)),
            "sample_id": pa.array(result.sample_ids, pa.int64()),
            "code": codes[result.label].tolist(),
            "distribution": _write_arrays(np.round(result.distribution.astype(float), 6)),
            "counts": _write_arrays(votes.counts()),
            "votes_count": result.votes,
            "entropy": result.entropy,
            "agreement": result.agreement,
            "low": result.low,
            "high": result.high,
            "status": status.tolist(),
            "flags": _write_flags(run.round.quota, result),
        }
    )


def _write_fields(run: ConsensusRun, last: int | None, result: ConsensusResult) -> pa.Array:
    """What the question asks beside the class, as JSON; without models, whose gold says nothing about it."""
    said = latest_extra(round=run.round, until=last, without=list_models(run.round))
    found = conclude_fields(fields_of(run.campaign), said)
    return pa.array([json.dumps(found.get(sample, {})) for sample in result.sample_ids], pa.string())  # type: ignore[call-overload]


def _write_flags(quota: int, result: ConsensusResult) -> list[str]:
    """ "tie", "weak" (neither disputed nor certain enough to be settled by the method's threshold), "few_votes"."""
    marks = {
        "tie": result.is_tie,
        "weak": ~result.is_disputed & ~result.is_settled,
        "few_votes": result.votes < quota,
    }
    rows = zip(*(mark.tolist() for mark in marks.values()), strict=True)
    return ["{" + ",".join(name for name, is_set in zip(marks, row, strict=True) if is_set) + "}" for row in rows]


def _write_arrays(table: np.ndarray) -> list[str]:
    return ["{" + ",".join(map(str, row)) + "}" for row in table.tolist()]


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: what has no value is null."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and value != value else value
