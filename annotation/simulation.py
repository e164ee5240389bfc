"""What a policy would cost and bring, played on a simulated panel before a campaign starts. Simulated, always."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from annotation import consensus, panel, policy
from annotation.votes import IntArray, VoteTable
from fusion.errors import BadInputError


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One policy on one panel: votes and hours it takes, and the share of right labels with a 95 % interval.

    `most_hours` is what the busiest expert gives; `seconds` the median time of a vote.
    """

    policy: str
    votes_per_sample: float
    votes: int
    accuracy: float
    low: float
    high: float
    disputed: float
    seconds: float
    hours: float
    most_hours: float
    is_simulated: bool = True

    def to_dict(self) -> dict[str, object]:
        """As JSON takes it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A panel's full replies, with truth [n] and the median seconds of a vote."""

    replies: policy.Replies
    truth: IntArray
    seconds: float


def make_trial(*, samples: int, experts: int, scheme: str, seed: int, accuracy: float | None = None) -> Trial:
    """Samples of evenly spread classes before a panel of `make_panel`; samples that everybody skipped are left out."""
    if samples < 10:
        raise BadInputError(f"{samples} samples are too few to compare policies; simulate at least 10.")
    if experts < 2:
        raise BadInputError(f"{experts} experts cannot disagree; simulate at least 2.")
    people = panel.make_panel(seed, experts=experts, scheme=scheme, accuracy=accuracy)
    truth = np.random.default_rng([seed, 21]).integers(0, len(people.codes), samples, dtype=np.int32)
    votes = people.vote(truth, seed).votes
    has_votes = votes.votes_per_sample > 0
    times = votes.seconds if votes.seconds is not None else np.array([panel.MEDIAN_SECONDS], np.float32)
    return Trial(
        replies=policy.make_replies(_keep(votes, has_votes)), truth=truth[has_votes], seconds=float(np.median(times))
    )


def forecast(trial: Trial, name: str, parameters: policy.Parameters, seed: int, seconds: float | None) -> Forecast:
    """Play the policy called `name` on a trial; `seconds` per vote stand in for the panel's median."""
    if seconds is not None and not seconds > 0:
        raise BadInputError(f"{seconds} seconds per vote cannot be; give more than 0.")
    outcome = policy.find(name).play(trial.replies, seed, parameters)
    right = outcome.label == trial.truth
    low, high = consensus.wilson(right.mean(), len(right))
    pace = trial.seconds if seconds is None else seconds
    return Forecast(
        policy=_title(name, parameters),
        votes_per_sample=outcome.votes_per_sample,
        votes=len(outcome.votes),
        accuracy=float(right.mean()),
        low=float(low),
        high=float(high),
        disputed=float(outcome.is_disputed.mean()),
        seconds=pace,
        hours=len(outcome.votes) * pace / 3600,
        most_hours=float(outcome.load.max()) * pace / 3600,
    )


def compare(
    trial: Trial,
    names: Sequence[str],
    votes: Sequence[int],
    parameters: policy.Parameters,
    *,
    seed: int = 0,
    seconds: float | None = None,
) -> list[Forecast]:
    """One forecast per policy; `fixed` at each number of `votes`, `parameters` go to the policies that know them."""
    plans: list[tuple[str, policy.Parameters]] = []
    for name in names:
        if name == "fixed":
            plans += [(name, {"votes": number}) for number in votes]
        else:
            plans.append((name, {key: value for key, value in parameters.items() if key in policy.find(name).defaults}))
    return [forecast(trial, name, chosen, seed, seconds) for name, chosen in plans]


def _title(name: str, parameters: policy.Parameters) -> str:
    return " ".join([name, *(f"{key}={value:g}" for key, value in parameters.items())])


def _keep(votes: VoteTable, is_kept: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> VoteTable:
    """The votes on some of the samples, and only those samples."""
    place = (np.cumsum(is_kept) - 1).astype(np.int32)
    rows = is_kept[votes.sample]
    return VoteTable(
        sample=place[votes.sample[rows]],
        voter=votes.voter[rows],
        answer=votes.answer[rows],
        n_classes=votes.n_classes,
        sample_ids=tuple(np.flatnonzero(is_kept).tolist()),
        voter_ids=votes.voter_ids,
    )
