"""Simulated experts with known confusion matrices: for the demo, tests and benchmarks; marked as simulated.

A vote is made in two steps. First what the sample looks like: its true class, or for a hard sample a neighbouring
class, the same for everybody (so errors of different experts go together, and more votes do not mend everything). Then
what the expert answers, from the row of the own confusion matrix. Because of the first step the panel as a whole is
somewhat less accurate than the published matrix alone: by about the mean difficulty.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.so2sat_confusion import lcz_confusion
from annotation.votes import FloatArray, IntArray, VoteTable
from fusion import scheme as schemes
from fusion.errors import BadInputError

Matrix = npt.NDArray[np.float64]

# Assumptions, none published. Skill is the exponent of a row's probabilities (above 1 sharper, below 1 blurred).
SKILL_SPREAD = 0.25  # standard deviation of log skill
DIFFICULTY = (0.35, 3.0)  # Beta: most samples are easy, with a tail of hard ones; mean 0.10
MEDIAN_SECONDS = 6.0  # of an average expert on an easy sample
SECONDS_SPREAD = 0.5  # standard deviation of log seconds
PACE_SPREAD = 0.25  # standard deviation of log pace between experts
UNSURE = (0.03, 0.6)  # chance to be unsure: easy sample, and added by difficulty 1
SKIPPED = (0.005, 0.1)  # chance to skip, likewise
CANNOT_TELL, MIXED = "6", "3"  # skip reasons: the sample is hard, or holds several classes
MIXED_BELOW = 0.6  # a cell whose main class has less than this is skipped as mixed


@dataclass(frozen=True, kw_only=True, eq=False)
class PanelVotes:
    """What a panel said: `votes` without skips, and the skips beside it. Simulated, always.

    `difficulty` [n] is the chance that a look at the sample shows a neighbour of its true class.
    """

    votes: VoteTable
    skipped_sample: IntArray
    skipped_voter: IntArray
    skip_reason: tuple[str, ...]
    skip_seconds: FloatArray
    difficulty: FloatArray
    is_simulated: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Experts by name, each with P(answer = column | look = row) in `confusion` [e, k, k], a skill and a pace."""

    names: tuple[str, ...]
    scheme: str
    codes: tuple[str, ...]
    base: Matrix
    confusion: Matrix
    skill: Matrix
    pace: Matrix
    is_simulated: bool = True

    def vote(
        self,
        truth: npt.ArrayLike,
        seed: int,
        votes_per_sample: int | None = None,
        difficulty: npt.ArrayLike | None = None,
        shares: npt.ArrayLike | None = None,
        sample_ids: tuple[object, ...] | None = None,
    ) -> PanelVotes:
        """Each sample goes to `votes_per_sample` experts drawn without repeat (None = all); skips leave gaps.

        `truth` [n] holds class indices. `difficulty` [n] in 0..1 is drawn where not given. With `shares` [n, k], the
        parts of the classes in mixed cells, every vote looks at a class drawn from its sample's shares instead.
        """
        rng = np.random.default_rng([seed, 7])
        look = np.asarray(truth, dtype=np.int32)
        parts = None if shares is None else _check_shares(shares, len(look), len(self.codes))
        hard = _difficulty(rng, len(look), difficulty)
        sample, voter = _assign(rng, len(look), len(self.names), votes_per_sample)
        seen = self._see(rng, look, hard, sample) if parts is None else _draw(rng, parts, sample)
        k = len(self.codes)
        answer = _draw(rng, self.confusion.reshape(-1, k), voter * k + seen)
        # A mixed cell is as hard as the part of it that is not its main class.
        doubt = hard if parts is None else np.maximum(hard, 1 - parts.max(1))
        sure = rng.random(len(sample)) >= UNSURE[0] + UNSURE[1] * doubt[sample]
        seconds = self._time(rng, voter, doubt[sample])
        skip = rng.random(len(sample)) < SKIPPED[0] + SKIPPED[1] * doubt[sample]
        is_mixed = np.zeros(len(look), np.bool_) if parts is None else parts.max(1) < MIXED_BELOW
        return PanelVotes(
            votes=VoteTable(
                sample=sample[~skip],
                voter=voter[~skip],
                answer=answer[~skip],
                n_classes=k,
                sample_ids=tuple(range(len(look))) if sample_ids is None else sample_ids,
                voter_ids=self.names,
                sure=sure[~skip],
                seconds=seconds[~skip],
            ),
            skipped_sample=sample[skip],
            skipped_voter=voter[skip],
            skip_reason=tuple(np.where(is_mixed[sample[skip]], MIXED, CANNOT_TELL).tolist()),
            skip_seconds=seconds[skip],
            difficulty=hard.astype(np.float32),
        )

    def _see(self, rng: np.random.Generator, look: IntArray, hard: Matrix, sample: IntArray) -> IntArray:
        """What each vote looks at: the true class, or the one neighbour that its sample is taken for."""
        apparent = _draw(rng, _off_diagonal(self.base), look)
        return np.where(rng.random(len(sample)) < hard[sample], apparent[sample], look[sample])

    def _time(self, rng: np.random.Generator, voter: IntArray, hard: Matrix) -> FloatArray:
        noise = rng.normal(0, SECONDS_SPREAD, len(voter))
        return (MEDIAN_SECONDS * self.pace[voter] * (1 + 2 * hard) * np.exp(noise)).astype(np.float32)


def make_panel(seed: int, experts: int = 10, scheme: str = "lcz17", accuracy: float | None = None) -> Panel:
    """A panel for a scheme: So2Sat's published confusions for lcz17, else (or with `accuracy`) a symmetric matrix.

    `accuracy` is how often an average expert names a plain sample right; 0.9 where a scheme has no published table.
    """
    codes = schemes.find(scheme).codes
    is_published = scheme == "lcz17" and accuracy is None
    base = lcz_confusion() if is_published else _symmetric(len(codes), 0.9 if accuracy is None else accuracy)
    rng = np.random.default_rng([seed, 3])
    skill = np.exp(rng.normal(0, SKILL_SPREAD, experts))
    return Panel(
        names=tuple(f"simulated-{number:02d}" for number in range(1, experts + 1)),
        scheme=scheme,
        codes=codes,
        base=base,
        confusion=_normalise(base[None] ** skill[:, None, None]),
        skill=skill,
        pace=np.exp(rng.normal(0, PACE_SPREAD, experts)),
    )


def _symmetric(k: int, accuracy: float) -> Matrix:
    """Right with `accuracy`, else any other class alike."""
    if not 1 / k < accuracy < 1:
        raise BadInputError(f"Accuracy {accuracy} must lie between chance (1/{k}) and 1.")
    table = np.full((k, k), (1 - accuracy) / (k - 1))
    np.fill_diagonal(table, accuracy)
    return table


def _off_diagonal(base: Matrix) -> Matrix:
    """What a class is taken for when it is not taken for itself, rows summing to 1."""
    return _normalise(base * (1 - np.eye(len(base))))


def _difficulty(rng: np.random.Generator, n: int, given: npt.ArrayLike | None) -> Matrix:
    hard = rng.beta(*DIFFICULTY, n) if given is None else np.asarray(given, np.float64)
    if hard.shape != (n,) or not ((hard >= 0) & (hard <= 1)).all():
        raise BadInputError(f"Difficulty must be {n} numbers in 0..1, one per sample.")
    return hard


def _check_shares(shares: npt.ArrayLike, n: int, k: int) -> Matrix:
    table = np.asarray(shares, np.float64)
    if table.shape != (n, k) or not (table >= 0).all() or not np.allclose(table.sum(1), 1, atol=1e-3):
        raise BadInputError(f"Shares must be {n} rows of {k} parts that sum to 1, not an array of shape {table.shape}.")
    return _normalise(table)


def _assign(rng: np.random.Generator, n: int, experts: int, wanted: int | None) -> tuple[IntArray, IntArray]:
    """Sample and expert of each vote, `wanted` different experts per sample."""
    each = experts if wanted is None else wanted
    if not 1 <= each <= experts:
        raise BadInputError(f"{each} votes per sample were asked of {experts} experts; ask 1 to {experts}.")
    chosen = rng.random((n, experts), dtype=np.float32).argsort(1)[:, :each].astype(np.int32)
    return np.repeat(np.arange(n, dtype=np.int32), each), np.sort(chosen, 1).ravel()


def _draw(rng: np.random.Generator, table: Matrix, row: npt.NDArray[np.integer]) -> IntArray:
    """One column per entry of `row`, drawn from that row of `table` (rows sum to 1), all at once."""
    rows, k = table.shape
    upper = np.minimum(np.cumsum(table, 1), 1)
    upper[:, -1] = 1
    steps = (upper + np.arange(rows)[:, None]).ravel()
    place = np.searchsorted(steps, rng.random(len(row)) + row, side="right")
    return np.clip(place - row.astype(np.int64) * k, 0, k - 1).astype(np.int32)


def _normalise(table: Matrix) -> Matrix:
    return table / table.sum(-1, keepdims=True)
