"""Whose vote is wanted on which sample, played through before a campaign starts: the contract of a policy.

A policy sees only the votes it has asked for. What everybody would answer comes from a simulated panel or from a crowd
whose votes exist already; an expert is never asked twice for a sample, and not where no answer of that expert exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from annotation import consensus
from annotation.votes import BoolArray, FloatArray, IntArray, VoteTable
from fusion import registry
from fusion.errors import BadInputError, BadVotesError

Parameters = Mapping[str, float]

# Labels of a played campaign: the method that is best on the few votes that an adaptive one leaves.
METHOD = "lookalikes"


@dataclass(frozen=True, kw_only=True, eq=False)
class Replies:
    """What each expert says when asked: class index in `answers` [n, e], -1 where that expert cannot be asked."""

    answers: npt.NDArray[np.int16]
    source: VoteTable

    @property
    def can_ask(self) -> BoolArray:
        """Where an answer can be had, [n, e]."""
        return np.asarray(self.answers >= 0)

    def reveal(self, asked: BoolArray) -> VoteTable:
        """The votes that have been asked for, over all samples and experts."""
        sample, voter = (places.astype(np.int32) for places in np.nonzero(asked & self.can_ask))
        return VoteTable(
            sample=sample,
            voter=voter,
            answer=self.answers[sample, voter].astype(np.int32),
            n_classes=self.source.n_classes,
            sample_ids=self.source.sample_ids,
            voter_ids=self.source.voter_ids,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Collected:
    """What a policy did: who was asked [n, e], which samples it holds for settled [n], how often it refitted."""

    asked: BoolArray
    is_settled: BoolArray
    refits: int = 0


class Collect(Protocol):
    """From experts that can be asked to votes; the same seed asks the same."""

    def __call__(self, replies: Replies, seed: int, parameters: Parameters) -> Collected: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """A campaign played to its end: its votes, and the label [n] (class index) that a consensus method gives them.

    `is_disputed` [n]: the policy could not settle it. `load` [e]: votes of each expert. Pilot votes are votes.
    """

    policy: str
    parameters: Parameters
    votes: VoteTable
    label: IntArray
    probability: FloatArray
    is_disputed: BoolArray
    load: IntArray
    refits: int

    @property
    def votes_per_sample(self) -> float:
        """Mean number of votes that were asked for, the pilot's included."""
        return len(self.votes) / self.votes.n_samples


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A way to ask for votes, with its parameters."""

    name: str
    title: str
    version: int
    collect: Collect
    defaults: Parameters = field(default_factory=dict)
    source: str = ""

    def play(
        self, replies: Replies, seed: int = 0, parameters: Parameters | None = None, method: str = METHOD
    ) -> Outcome:
        """The whole campaign, labelled by the consensus method called `method`."""
        chosen = self._complete(parameters or {})
        collected = self.collect(replies, seed, chosen)
        votes = replies.reveal(collected.asked)
        result = consensus.run(method, votes, seed=seed)
        return Outcome(
            policy=self.name,
            parameters=chosen,
            votes=votes,
            label=result.label,
            probability=result.top_probability,
            is_disputed=~collected.is_settled,
            load=np.bincount(votes.voter, minlength=votes.n_voters).astype(np.int32),
            refits=collected.refits,
        )

    def _complete(self, parameters: Parameters) -> dict[str, float]:
        for name, value in parameters.items():
            if name not in self.defaults:
                known = ", ".join(self.defaults)
                raise BadInputError(f"Policy {self.name!r} has no parameter {name!r}. Known: {known}.")
            if not value >= 0:
                raise BadInputError(f"Parameter {name!r} is {value}; it must not be below 0.")
        chosen = {**self.defaults, **parameters}
        if chosen.get("minimum", 1) < 1 or chosen.get("minimum", 1) > chosen.get("maximum", np.inf):
            raise BadInputError("The minimum of votes must be at least 1 and not above the maximum.")
        return chosen


def make_replies(votes: VoteTable) -> Replies:
    """Everything that a crowd would say, from a table of all its votes; every sample needs at least one."""
    if not len(votes) or (votes.votes_per_sample == 0).any():
        raise BadVotesError("A policy can only be played on samples that have votes; leave the others out.")
    answers = np.full((votes.n_samples, votes.n_voters), -1, np.int16)
    answers[votes.sample, votes.voter] = votes.answer
    return Replies(answers=answers, source=votes)


def find(name: str) -> Policy:
    """The policy called `name`."""
    return registry.find_kind("annotation.policies", name, "POLICY", Policy)


def load_all() -> dict[str, Policy]:
    """Every policy by name."""
    return registry.load_kinds("annotation.policies", "POLICY", Policy)
