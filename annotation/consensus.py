"""What many votes make together: the contract of a consensus method, its result, and the thresholds of its flags."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from annotation.votes import BoolArray, FloatArray, IntArray, VoteTable
from fusion import registry
from fusion.errors import BadInputError, BadVotesError

Parameters = Mapping[str, float]
AnswerKind = Literal["class", "labels", "boxes", "mask"]

# Used where nobody names a method. Chosen on simulated panels and real crowds: see tests/benchmarks/accuracy.py.
DEFAULT = "item_difficulty"
# The same for adaptive campaigns, whose hard samples have more votes than the easy ones.
ADAPTIVE_DEFAULT = "lookalikes"

# A sample is settled when its top class has at least this probability, on at least this many votes. It is disputed when
# the top class stays below `disputed_below`, on a tie, or when at most half of its votes name the label.
THRESHOLDS: Parameters = {"settled_at": 0.9, "settled_votes": 2, "disputed_below": 0.6}
TIE_TOLERANCE = 1e-6
Z_95 = 1.959964
BLOCK = 65_536  # rows worked on at once where a whole table of temporary values would be the peak of memory


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """What a method itself finds: probabilities [n, k], and what it knows of its experts.

    `confusion` [e, k, k] holds P(vote = column | truth = row) per expert; `class_prior` [k] the share of each class;
    `weight` [votes] how much each vote tells, 1 = an average vote of this table. `interval`, low and high [n], is the
    95 % credible interval of the top class's probability, `confusion_interval` that of each cell, where known.
    """

    distribution: FloatArray
    interval: tuple[FloatArray, FloatArray] | None = None
    confusion: FloatArray | None = None
    confusion_interval: tuple[FloatArray, FloatArray] | None = None
    class_prior: FloatArray | None = None
    weight: FloatArray | None = None
    iterations: int = 0
    converged: bool = True


class FitClasses(Protocol):
    """From class votes to an estimate; a pure function that depends on nothing but its arguments."""

    def __call__(self, votes: VoteTable, seed: int, parameters: Parameters) -> Estimate: ...


class Votes(Protocol):
    """What every table of votes tells, whatever the answers are: classes, sets of labels, boxes or masks."""

    @property
    def sample_ids(self) -> tuple[Any, ...]: ...

    @property
    def votes_per_sample(self) -> IntArray: ...

    def __len__(self) -> int: ...


class Result(Protocol):
    """What every result tells: one entry per sample, and `decisions` [m, c], a distribution for each thing decided."""

    @property
    def sample_ids(self) -> tuple[Any, ...]: ...

    @property
    def decisions(self) -> FloatArray: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class ConsensusResult:
    """One row per sample, in the order of `sample_ids`.

    `label` is the class index with the highest value in `distribution` [n, k] (the first in the scheme's order on a
    tie); `entropy` and `vote_entropy` are of the distribution and of the raw vote shares, in nats; `agreement` is the
    share of the votes that name the label. `low`..`high` is 95 % wide: the credible interval of the label's probability
    where the method knows one (`is_credible`), else the Wilson interval of the share that names the label, each vote
    counted by its weight; `effective_votes` is the sum of the weights. `confusion_interval` holds
    low and high of each cell of `confusion` [e, k, k], likewise.
    """

    method: str
    parameters: Parameters
    sample_ids: tuple[object, ...]
    voter_ids: tuple[object, ...]
    label: IntArray
    distribution: FloatArray
    entropy: FloatArray
    vote_entropy: FloatArray
    agreement: FloatArray
    low: FloatArray
    high: FloatArray
    votes: IntArray
    effective_votes: FloatArray
    is_tie: BoolArray
    is_disputed: BoolArray
    is_settled: BoolArray
    is_credible: bool = False
    confusion: FloatArray | None = None
    confusion_interval: tuple[FloatArray, FloatArray] | None = None
    class_prior: FloatArray | None = None
    iterations: int = 0
    converged: bool = True

    def __len__(self) -> int:
        return len(self.label)

    @property
    def decisions(self) -> FloatArray:
        """One decision per sample: its distribution over the classes, [n, k]."""
        return self.distribution

    @property
    def top_probability(self) -> FloatArray:
        """Probability of the label, [n]."""
        return np.take_along_axis(self.distribution, self.label[:, None], 1)[:, 0]


Table = TypeVar("Table", bound=Votes)
Found = TypeVar("Found", bound=Result)


@dataclass(frozen=True, kw_only=True)
class Method(Generic[Table, Found]):
    """A way from votes to what they amount to; `answer_kind` says of which kind its votes are."""

    name: str
    title: str
    version: int
    answer_kind: AnswerKind
    conclude: Callable[[Table, int, Parameters], Found]
    defaults: Parameters = field(default_factory=dict)
    source: str = ""

    def aggregate(self, votes: Table, seed: int = 0, parameters: Parameters | None = None) -> Found:
        """What the votes amount to; BadVotesError where a sample has no vote, BadInputError for an unknown name."""
        check_votes(votes)
        return self.conclude(votes, seed, self._complete(parameters or {}))

    def _complete(self, parameters: Parameters) -> dict[str, float]:
        for name in parameters:
            if name not in self.defaults:
                known = ", ".join(self.defaults) or "none"
                raise BadInputError(f"Method {self.name!r} has no parameter {name!r}. Known: {known}.")
        return {**self.defaults, **parameters}


def class_method(
    *, name: str, title: str, version: int, fit: FitClasses, defaults: Parameters | None = None, source: str = ""
) -> Method[VoteTable, ConsensusResult]:
    """A method for votes that each name one class; THRESHOLDS are parameters of every such method."""

    def conclude(votes: VoteTable, seed: int, parameters: Parameters) -> ConsensusResult:
        if votes.n_classes < 2:
            raise BadVotesError("A consensus needs at least two classes to choose from.")
        return _judge(name, votes, fit(votes, seed, parameters), parameters)

    return Method(
        name=name,
        title=title,
        version=version,
        answer_kind="class",
        conclude=conclude,
        defaults={**THRESHOLDS, **(defaults or {})},
        source=source,
    )


def find(name: str) -> Method[Any, Any]:
    """The method called `name`."""
    return registry.find_kind("annotation.methods", name, "METHOD", Method)


def load_all(answer_kind: AnswerKind | None = None) -> dict[str, Method[Any, Any]]:
    """Every method by name; those for one kind of answers where it is named."""
    every = registry.load_kinds("annotation.methods", "METHOD", Method)
    return {name: method for name, method in every.items() if answer_kind in (None, method.answer_kind)}


def run(name: str, votes: VoteTable, *, seed: int = 0, parameters: Parameters | None = None) -> ConsensusResult:
    """Consensus of class votes by the method called `name`."""
    method = find(name)
    if method.answer_kind != "class":
        known = ", ".join(load_all("class"))
        raise BadInputError(f"Method {name!r} is for {method.answer_kind}, not for classes. For classes: {known}.")
    found: ConsensusResult = method.aggregate(votes, seed, parameters)
    return found


def wilson(share: npt.ArrayLike, votes: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """95 % interval of a share seen in `votes` votes (Wilson 1927); good at few votes and at 0 and 1."""
    p, n = np.asarray(share, np.float64), np.asarray(votes, np.float64)
    squared = Z_95**2 / n
    centre = (p + squared / 2) / (1 + squared)
    half = Z_95 * np.sqrt(p * (1 - p) / n + squared / (4 * n)) / (1 + squared)
    return np.clip(centre - half, 0, 1).astype(np.float32), np.clip(centre + half, 0, 1).astype(np.float32)


def entropy(distribution: FloatArray) -> FloatArray:
    """Shannon entropy of each row, in nats: 0 when one class has all, ln(k) when all are alike."""
    found = np.empty(len(distribution), np.float32)
    for start in range(0, len(found), BLOCK):
        part = distribution[start : start + BLOCK]
        safe = np.where(part > 0, part, 1).astype(np.float32)
        found[start : start + BLOCK] = np.maximum(-(part * np.log(safe)).sum(1), 0)
    return found


def check_votes(votes: Votes) -> None:
    """BadVotesError where there is nothing to decide, or nothing to decide it by."""
    if not len(votes):
        raise BadVotesError("There are no votes; a consensus needs at least one per sample.")
    if (votes.votes_per_sample == 0).any():
        missing = int(np.argmin(votes.votes_per_sample))
        raise BadVotesError(f"Sample {votes.sample_ids[missing]!r} has no vote; leave it out or collect one first.")


def _judge(name: str, votes: VoteTable, estimate: Estimate, parameters: Parameters) -> ConsensusResult:
    """Add to an estimate what every method answers alike: label, agreement, interval and flags."""
    distribution = estimate.distribution
    label, top, is_tie = _choose(distribution)
    agreement, weighted, effective = _agree(votes, label, estimate.weight)
    low, high = estimate.interval or wilson(weighted, effective)
    is_disputed = is_tie | (top < parameters["disputed_below"]) | (agreement <= 0.5)
    enough = votes.votes_per_sample >= parameters["settled_votes"]
    return ConsensusResult(
        method=name,
        parameters=parameters,
        sample_ids=votes.sample_ids,
        voter_ids=votes.voter_ids,
        label=label,
        distribution=distribution,
        is_credible=estimate.interval is not None,
        entropy=entropy(distribution),
        vote_entropy=entropy(votes.shares()),
        agreement=agreement,
        low=low,
        high=high,
        votes=votes.votes_per_sample,
        effective_votes=effective,
        is_tie=is_tie,
        is_disputed=is_disputed,
        is_settled=~is_disputed & enough & (top >= parameters["settled_at"]),
        confusion=estimate.confusion,
        confusion_interval=estimate.confusion_interval,
        class_prior=estimate.class_prior,
        iterations=estimate.iterations,
        converged=estimate.converged,
    )


def _choose(distribution: FloatArray) -> tuple[IntArray, FloatArray, BoolArray]:
    """Label, its probability, and whether another class has the same, each [n]."""
    label, top = np.empty(len(distribution), np.int32), np.empty(len(distribution), np.float32)
    is_tie = np.empty(len(distribution), np.bool_)
    for start in range(0, len(label), BLOCK):
        rows = slice(start, start + BLOCK)
        part = distribution[rows]
        runner_up, top[rows] = np.partition(part, -2, axis=1)[:, -2:].T
        label[rows] = (part >= (top[rows] - TIE_TOLERANCE)[:, None]).argmax(1)
        is_tie[rows] = top[rows] - runner_up <= TIE_TOLERANCE
    return label, top, is_tie


def _agree(votes: VoteTable, label: IntArray, weight: FloatArray | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Share of the votes that name the label, the same with weights, and the sum of the weights, each [n]."""
    plain, weighted, effective = np.zeros((3, votes.n_samples))
    for start in range(0, len(votes), 8 * BLOCK):
        part = slice(start, start + 8 * BLOCK)
        sample = votes.sample[part]
        names_label = votes.answer[part] == label[sample]
        plain += np.bincount(sample, names_label, votes.n_samples)
        if weight is not None:
            effective += np.bincount(sample, weight[part], votes.n_samples)
            weighted += np.bincount(sample, weight[part] * names_label, votes.n_samples)
    share = (plain / votes.votes_per_sample).astype(np.float32)
    if weight is None:
        return share, share, votes.votes_per_sample.astype(np.float32)
    return share, (weighted / effective).astype(np.float32), effective.astype(np.float32)
