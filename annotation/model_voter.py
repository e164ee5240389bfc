"""A trained model as one more voter: let in only where it beats the panel on gold."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from annotation.consensus import Z_95
from annotation.votes import VoteTable
from fusion.errors import BadInputError, BadVotesError

LEAST_GOLD = 30  # fewer gold samples decide nothing


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Whether the model may vote, and why: both accuracies on the same gold samples, and their difference.

    `low`..`high` is the 95 % interval of model minus panel; the model is admitted when all of it is above 0.
    """

    is_admitted: bool
    samples: int
    panel_accuracy: float
    model_accuracy: float
    difference: float
    low: float
    high: float
    reason: str


def judge_model(*, panel: npt.ArrayLike, model: npt.ArrayLike, gold: npt.ArrayLike) -> Admission:
    """Compares labels [n] of the panel (its consensus without the model) and of the model on gold samples [n].

    The model must not have been trained on these samples. Paired interval after Agresti and Min, Statistics in
    Medicine 24, 2005: half a sample added to each of the four cells. BadInputError where the lengths differ.
    """
    of_panel, of_model, truth = (np.asarray(labels) for labels in (panel, model, gold))
    if not len(of_panel) == len(of_model) == len(truth) or not len(truth):
        raise BadInputError("Give one label of the panel and one of the model for every gold sample.")
    panel_right, model_right = of_panel == truth, of_model == truth
    low, high = _compare(int((model_right & ~panel_right).sum()), int((panel_right & ~model_right).sum()), len(truth))
    is_enough = len(truth) >= LEAST_GOLD
    return Admission(
        is_admitted=is_enough and low > 0,
        samples=len(truth),
        panel_accuracy=float(panel_right.mean()),
        model_accuracy=float(model_right.mean()),
        difference=float(model_right.mean() - panel_right.mean()),
        low=low,
        high=high,
        reason=_explain(is_enough, low, high),
    )


def add_model_voter(votes: VoteTable, *, sample: npt.ArrayLike, answer: npt.ArrayLike, name: object) -> VoteTable:
    """The votes with the model's answers [m] on the samples at these places [m], as one more voter."""
    if name in votes.voter_ids:
        raise BadVotesError(f"Voter {name!r} is in the table already; give the model a name of its own.")
    places, answers = np.asarray(sample, np.int32), np.asarray(answer, np.int32)
    return replace(
        votes,
        sample=np.concatenate([votes.sample, places]),
        voter=np.concatenate([votes.voter, np.full(len(places), votes.n_voters, np.int32)]),
        answer=np.concatenate([votes.answer, answers]),
        voter_ids=(*votes.voter_ids, name),
        sure=None,
        seconds=None,
    )


def _compare(won: int, lost: int, samples: int) -> tuple[float, float]:
    """95 % interval of (won - lost) / samples."""
    n, b, c = samples + 2, won + 0.5, lost + 0.5
    centre = (b - c) / n
    half = Z_95 * float(np.sqrt((b + c) - (b - c) ** 2 / n)) / n
    return centre - half, centre + half


def _explain(is_enough: bool, low: float, high: float) -> str:
    if not is_enough:
        return f"Fewer than {LEAST_GOLD} gold samples decide nothing."
    if low > 0:
        return "The model is better than the panel on gold."
    return "The model is worse than the panel on gold." if high < 0 else "On gold the model is not clearly better."
