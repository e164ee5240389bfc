"""Trained models among the voters of a round: their votes count in a run only where they beat the panel on gold.

A model's votes come in by import as those of an expert of kind "model". Each run judges every model anew, against the
panel of people (and simulated experts) by the run's own method, and keeps what it found in its summary. The model must
not have been trained on the gold samples; nothing here can know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from annotation.agreement import against_model
from annotation.consensus import ConsensusResult
from annotation.model_voter import judge_model
from annotation.votes import VoteTable
from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import ConsensusRun, Gold, Round
from geoquorum.campaigns.services.declaring import scheme_of

MOST_TOLD = 200  # samples listed as contradicted by a model
NO_GOLD = "The panel and the model share no gold sample, so nothing shows that the model is better."


def list_models(round: Round) -> list[str]:
    """Pseudonyms of the models that voted in a round."""
    voted = Expert.objects.filter(kind=Expert.Kind.MODEL, participations__round=round)
    return list(voted.order_by("pseudonym").values_list("pseudonym", flat=True))


def left_out(run: ConsensusRun) -> list[str]:
    """Pseudonyms of the models whose votes a READY run did not count."""
    return [one["expert"] for one in run.summary.get("models", []) if not one["is_admitted"]]


def judge_models(round: Round, names: Sequence[str], votes: VoteTable, panel: ConsensusResult) -> list[dict[str, Any]]:
    """One judgement for each model, JSON-ready; `votes` are everybody's, `panel` the labels without any model."""
    gold = dict(Gold.objects.filter(campaign=round.campaign_id).values_list("sample_id", "code"))
    index = {code: place for place, code in enumerate(scheme_of(round.campaign).codes)}
    truth = {sample: index[code] for sample, code in gold.items() if code in index}
    labels = dict(zip(panel.sample_ids, panel.label.tolist(), strict=True))
    return [_judge(name, _answers(votes, name), labels, truth, votes.n_classes) for name in names]


def _judge(
    name: str, said: Mapping[Any, int], labels: Mapping[Any, int], truth: Mapping[Any, int], classes: int
) -> dict[str, Any]:
    both = sorted(sample for sample in said if sample in labels)
    contradicted = _contradict([labels[one] for one in both], [said[one] for one in both], classes)
    told = {
        "expert": name,
        "contradicts": int(contradicted.sum()),
        "contradicted": [int(both[place]) for place in np.flatnonzero(contradicted)[:MOST_TOLD].tolist()],
    }
    known = [sample for sample in both if sample in truth]
    if not known:
        return told | {"is_admitted": False, "samples": 0, "reason": NO_GOLD}
    found = judge_model(
        panel=[labels[one] for one in known], model=[said[one] for one in known], gold=[truth[one] for one in known]
    )
    return told | {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(found).items()}


def _answers(votes: VoteTable, name: str) -> dict[Any, int]:
    """What one voter said of each sample."""
    if name not in votes.voter_ids:
        return {}
    own = votes.voter == list(votes.voter_ids).index(name)
    samples = [votes.sample_ids[place] for place in votes.sample[own].tolist()]
    return dict(zip(samples, votes.answer[own].tolist(), strict=True))


def _contradict(labels: Sequence[int], said: Sequence[int], classes: int) -> np.ndarray:
    """Samples whose label the model's single answer contradicts."""
    if not labels:
        return np.zeros(0, np.bool_)
    return against_model(labels, np.eye(classes)[list(said)])
