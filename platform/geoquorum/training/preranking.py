"""The loop closes: a finished run chooses which samples experts are asked about next, and may vote beside them.

The campaign gets the samples in an order of its own, and no expert ever sees what the run answers, or why a sample is
among them. After the close a new version holds the old labels and the new ones, and says which run chose them.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
from django.db import transaction

from annotation import question as questions
from annotation.preranking import RULES, Rule, choose, measure_doubt
from fusion import task as tasks
from fusion.errors import BadInputError, BadVotesError, SpecError
from geoquorum.accounts.models import Expert, User
from geoquorum.accounts.services import record
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import Campaign, CampaignState, Round, Vote
from geoquorum.campaigns.services.policies import check_policy
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.catalog.models import Region, Sample
from geoquorum.queue.models import Job
from geoquorum.queue.services import Claim, enqueue
from geoquorum.training.models import Run, RunState
from geoquorum.training.unlabelled import Predicted, list_unlabelled, predict_unlabelled

log = logging.getLogger(__name__)
KIND = "geoquorum.training.jobs.ask_experts"
MOST_SAMPLES = 10_000
LIMIT_S = 4 * 3600
FIXED: Mapping[str, object] = {"kind": "fixed", "order": "random"}


def start_asking(
    *,
    run: Run,
    samples: int,
    by: User | None,
    question: str = "",
    votes: int = 3,
    policy: Mapping[str, object] | None = None,
    rule: Rule = "margin",
    regions: Sequence[Region] = (),
    is_voting: bool = False,
    name: str = "",
) -> Job:
    """Queues a draft of a campaign about `samples` unlabelled samples that this run is unsure of.

    `votes` of people are wanted for each, or at most under an adaptive `policy`. With `is_voting` the run's own answers
    come in when the campaign opens, as those of a model: a consensus counts them only where they beat the panel on
    known answers.
    """
    if run.state != RunState.DONE:
        raise SpecError(f"Run {run} is {run.get_state_display()}: only a finished run can say what it is unsure of.")
    if not can_ask(run):
        raise SpecError(f"Task {run.task!r} gives no class to each sample: there is no such question to experts.")
    if not 1 <= samples <= MOST_SAMPLES:
        raise BadInputError(f"samples must lie from 1 to {MOST_SAMPLES}; it is {samples}.")
    if rule not in RULES:
        raise BadInputError(f"Unknown rule {rule!r}. Known: {', '.join(RULES)}.")
    chosen = dict(FIXED if policy is None else policy)
    _check_question(run, question)
    check_votes(votes, chosen, is_voting)
    if not list_unlabelled(run, regions):
        raise BadInputError(
            "There is no unlabelled patch with the modalities of this version outside its held-out cities. Take in "
            "another city, or cut patches of one."
        )
    arguments = {
        "run": run.pk,
        "samples": samples,
        "question": question or _own_question(run),
        "votes": votes,
        "policy": chosen,
        "rule": rule,
        "regions": [region.pk for region in regions],
        "is_voting": is_voting,
        "name": name[:120],
    }
    job = enqueue(
        KIND, project=run.project, arguments=arguments, queue="training", by=by, time_limit_s=LIMIT_S, devices=1
    )
    record(project=run.project, actor=by, action="experts asked by a run", subject=f"run {run.pk}")
    return job


def execute_asking(job: Job, claim: Claim) -> dict[str, Any]:
    """Predicts the unlabelled samples, chooses among them, and drafts the campaign; its number is the job's result."""
    asked = job.arguments
    run = Run.objects.select_related("version__consensus_run__campaign", "project").get(pk=asked["run"])
    folder = Path(run.folder) / "asking" / str(job.pk)
    candidates = list_unlabelled(run, list(Region.objects.filter(pk__in=asked["regions"], project=run.project)))
    if not candidates:
        raise BadInputError("Every patch has a label by now, or is being asked about.")
    predicted = predict_unlabelled(run, candidates, folder, claim, seed=run.seed)
    places = choose(
        predicted.probabilities,
        int(asked["samples"]),
        blocks=[f"{one.region_id} {one.block}" for one in predicted.samples],
        rule=asked["rule"],
        seed=run.seed,
    )
    claim.progress(0.95, "campaign")
    with transaction.atomic():
        claim.lock()
        campaign = _draft(run, predicted, places, job)
        _keep_answers(run, campaign, predicted, places)
    return {"run": run.pk, "campaign": campaign.pk, "candidates": len(predicted.samples), "samples": len(places)}


def let_run_vote(*, campaign: Campaign) -> int:
    """The run's answers into an open campaign that was drafted with a place for them; how many there are.

    Under the pseudonym of the run, as those of a model; 0 where they are in already.
    """
    run = Run.objects.filter(pk=campaign.chosen_by.get("run"), project=campaign.project_id).first()
    path = None if run is None else _find_answers(run, campaign)
    if path is None or not campaign.chosen_by.get("is_voting") or not path.is_file():
        raise BadInputError(f"Campaign {campaign} keeps no place for the votes of a run.")
    if campaign.state != CampaignState.OPEN:
        raise BadInputError(f"Campaign {campaign} is {campaign.get_state_display()}: votes come in while it is open.")
    round = campaigns.current_round(campaign=campaign)
    if Vote.objects.filter(round=round, is_machine=True).exists():
        return 0
    with np.load(path, allow_pickle=False) as file:
        known = dict(zip(file["sample"].tolist(), file["code"].tolist(), strict=True))
    free = _list_free(round, list(known))
    table = pa.table(
        {
            "voter": [f"run-{run.pk}"] * len(free),
            "sample": pa.array(free, pa.int64()),
            "code": [known[sample] for sample in free],
        }
    )
    return campaigns.import_votes(round=round, table=table, by=None, kind=Expert.Kind.MODEL, source=f"run {run.pk}")


def let_runs_vote() -> dict[str, int]:
    """What housekeeping does at each turn: votes of runs into the campaigns that have just opened for them."""
    open_ones = Campaign.objects.filter(state=CampaignState.OPEN, chosen_by__is_voting=True).select_related("project")
    return {"votes of runs": sum(_let_vote_or_say_why(campaign) for campaign in open_ones)}


def _let_vote_or_say_why(campaign: Campaign) -> int:
    """One campaign's failure is no other's: what can never come in is written down there, the rest is tried again."""
    try:
        return let_run_vote(campaign=campaign)
    except (BadVotesError, RefusedError) as error:
        log.warning("campaign %s: the votes of its run wait: %s", campaign.pk, error)
    except (BadInputError, OSError, ValueError, KeyError, BadZipFile) as error:
        campaign.chosen_by |= {"is_voting": False, "not_voting": f"The run's answers cannot be read: {error}"[:500]}
        campaign.save(update_fields=["chosen_by"])
    return 0


def can_ask(run: Run) -> bool:
    """Whether a run's doubts can become a campaign: one class per sample, and labels from experts."""
    is_done = run.state == RunState.DONE and run.version.consensus_run_id is not None
    return is_done and tasks.find(run.task).head == "classes"


def list_asked(run: Run) -> list[dict[str, Any]]:
    """Campaigns that a run drafted, and jobs that are at it, newest first."""
    jobs = Job.objects.filter(kind=KIND, arguments__run=run.pk).order_by("-created_at")[:20]
    drafted = Campaign.objects.filter(project=run.project_id, chosen_by__run=run.pk).in_bulk()
    return [{"job": job, "campaign": drafted.get((job.result or {}).get("campaign"))} for job in jobs]


def _own_question(run: Run) -> str:
    return str(run.version.consensus_run.campaign.question)


def _check_question(run: Run, question: str) -> None:
    """The new labels must be of the same alphabet, and asked of patches."""
    asked = questions.find(question or _own_question(run))
    scheme = run.version.consensus_run.campaign.scheme
    if asked.scheme not in (None, scheme) or asked.sample_kind != Sample.Kind.PATCH or asked.prompt_scheme:
        fitting = [
            one.name
            for one in questions.load_all().values()
            if one.scheme in (None, scheme) and one.sample_kind == Sample.Kind.PATCH and not one.prompt_scheme
        ]
        raise BadInputError(
            f"Question {asked.name!r} does not ask for {scheme} of patches. Those that do: {', '.join(fitting)}."
        )


def check_votes(votes: int, policy: Mapping[str, Any], is_voting: bool) -> None:
    if not 1 <= votes <= 100:
        raise BadInputError(f"votes must lie from 1 to 100; it is {votes}.")
    check_policy(policy, votes)
    if is_voting and policy.get("kind") == "adaptive":
        raise BadInputError(
            "An adaptive campaign settles a sample by the votes that are in, and the run's would count there before it "
            "is known whether the run is better than the panel. Ask for a fixed number of votes, or without the run's."
        )


def _draft(run: Run, predicted: Predicted, places: np.ndarray, job: Job) -> Campaign:
    asked = job.arguments
    campaign = campaigns.create_campaign(
        project=run.project,
        name=asked["name"] or f"Further samples for {run.version.name}",  # experts read it: nothing of the run
        question=asked["question"],
        scheme=run.version.consensus_run.campaign.scheme,
        samples=sorted((predicted.samples[place] for place in places), key=lambda sample: sample.pk),
        quota=asked["votes"] + (1 if asked["is_voting"] else 0),
        policy=asked["policy"],
        by=job.created_by,
        seed=run.seed,
    )
    campaign.chosen_by = _describe(run, predicted, places, asked)
    campaign.save(update_fields=["chosen_by"])
    return campaign


def _describe(run: Run, predicted: Predicted, places: np.ndarray, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Where the samples come from, for the pages of campaign and version; nothing of what was answered to which."""
    doubt = measure_doubt(predicted.probabilities)
    means = {
        name: {
            "chosen": round(float(values[places].mean()), 4),
            "candidates": round(float(values.mean()), 4),
        }
        for name, values in vars(doubt).items()
    }
    return {
        "run": run.pk,
        "version": run.version_id,
        "name": run.name,
        "weights_sha256": [(member.report or {}).get("weights_sha256", "") for member in predicted.members],
        "pack_sha256": run.version.sha256,
        "dropout_draws": predicted.draws,
        "rule": asked["rule"],
        "samples": len(places),
        "candidates": len(predicted.samples),
        "doubt": means,
        "is_voting": asked["is_voting"],
    }


def _keep_answers(run: Run, campaign: Campaign, predicted: Predicted, places: np.ndarray) -> None:
    """What the run says of the chosen samples, in its own folder: no page of a campaign reads there."""
    path = _find_answers(run, campaign)
    path.parent.mkdir(parents=True, exist_ok=True)
    mean = predicted.probabilities.mean(axis=0)[places]
    with path.open("wb") as file:
        np.savez(
            file,
            sample=np.array([predicted.samples[place].pk for place in places], np.int64),
            code=np.array(predicted.codes, np.str_)[mean.argmax(axis=1)],
            probability=mean.astype(np.float32),
        )


def _find_answers(run: Run, campaign: Campaign) -> Path:
    return Path(run.folder) / "asking" / f"campaign-{campaign.pk}.npz"


def _list_free(round: Round, samples: list[int]) -> list[int]:
    """Those with a place left: people may have voted since the campaign opened."""
    rows = round.round_samples.filter(sample__in=samples, slots_taken__lt=round.quota)
    return sorted(rows.values_list("sample_id", flat=True))
