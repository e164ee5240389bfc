"""Which unlabelled samples experts are asked about next: where networks doubt, and not all of a batch in one place.

A pure function of predictions. What it answers is an order of questions, never an answer: nothing of it reaches who
votes. Sources: mutual information of members (Houlsby et al. 2011, BALD; Gal, Islam and Ghahramani, ICML 2017), margin
(Scheffer, Decomain and Wrobel 2001), a batch by k-means++ over gradients of the last layer (Ash et al., ICLR 2020,
BADGE), which asks for doubt and for difference at once.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Rule = Literal["spread", "margin", "entropy", "mutual_information", "random"]

RULES: tuple[Rule, ...] = ("margin", "spread", "entropy", "mutual_information", "random")
CROWD = 2.0  # a block gets at most this many times its even share of a batch, as long as others have samples left
TINY = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Doubt:
    """How unsure networks are about each sample, [n] each.

    `entropy` of the mean prediction in nats; `margin` between its two likeliest classes, 0 (undecided) to 1;
    `mutual_information` in nats: what the members disagree about, 0 where there is one member.
    """

    entropy: Floats
    margin: Floats
    mutual_information: Floats


def measure_doubt(probabilities: npt.ArrayLike) -> Doubt:
    """The doubt in predictions [members, n, k] (of an ensemble, or of draws with dropout), rows summing to 1."""
    members = _check_members(probabilities)
    mean = members.mean(axis=0)
    two = np.sort(mean, axis=1)[:, -2:]
    total = _entropy(mean)
    return Doubt(
        entropy=total,
        margin=two[:, 1] - two[:, 0],
        mutual_information=np.maximum(total - _entropy(members).mean(axis=0), 0.0),
    )


def choose(
    probabilities: npt.ArrayLike,
    count: int,
    *,
    blocks: npt.ArrayLike | None = None,
    features: npt.ArrayLike | None = None,
    rule: Rule = "margin",
    seed: int = 0,
) -> Places:
    """Up to `count` places of samples to ask about, the most telling first; the same seed chooses the same.

    `probabilities` [members, n, k]; `blocks` [n] name the place of each sample (a city, a block of a city); `features`
    [n, d] tell `spread` how alike samples look, the predictions alone where there are none. The usual rule is the one
    that needed the fewest votes where they were measured (tests.benchmarks.active_learning). BadInputError where the
    lengths differ or the rule is unknown.
    """
    members = _check_members(probabilities)
    n = members.shape[1]
    room = _Room(_check_rows("blocks", blocks, n), min(count, n))
    if count < 1:
        raise BadInputError(f"{count} samples were asked for; ask for at least 1.")
    looks = _check_features(features, n)
    if rule == "spread":
        return _spread(_embed(members, looks), room, np.random.default_rng([seed, 31]))
    return _take_in_order(_rank(members, rule, seed), room)


def _rank(members: Floats, rule: Rule, seed: int) -> Places:
    doubt = measure_doubt(members)
    scores: dict[str, Floats] = {
        "margin": -doubt.margin,
        "entropy": doubt.entropy,
        "mutual_information": doubt.mutual_information,
        "random": np.asarray(np.random.default_rng([seed, 32]).random(members.shape[1])),
    }
    if rule not in scores:
        raise BadInputError(f"Unknown rule {rule!r}. Known: {', '.join(RULES)}.")
    return np.argsort(-scores[rule], kind="stable")


class _Room:
    """How many samples of each block a batch still takes."""

    def __init__(self, blocks: Places, count: int) -> None:
        self.blocks, self.count = blocks, count
        names = int(blocks.max()) + 1 if len(blocks) else 1
        self.most = max(1, int(np.ceil(CROWD * count / names))) if names > 1 else count
        self.taken = np.zeros(names, np.int64)
        self.is_left = np.ones(len(blocks), np.bool_)

    def take(self, place: int) -> None:
        self.taken[self.blocks[place]] += 1
        self.is_left[place] = False

    def is_open(self) -> npt.NDArray[np.bool_]:
        """Samples that may come next: those of blocks with room, or all that are left where no block has any."""
        open_ = self.is_left & (self.taken[self.blocks] < self.most)
        return open_ if open_.any() else self.is_left


def _take_in_order(order: Places, room: _Room) -> Places:
    chosen: list[int] = []
    while len(chosen) < room.count:
        is_open = room.is_open()
        place = int(order[np.argmax(is_open[order])])
        room.take(place)
        chosen.append(place)
    return np.array(chosen, np.int64)


def _embed(members: Floats, features: Floats | None) -> tuple[Floats, Floats]:
    """Two factors whose outer product is the gradient of the last layer at each sample's own guess (BADGE).

    For the loss at the likeliest class the gradient is (p - onehot) x features: long where the guess is doubtful, and
    pointing elsewhere for another look or another pair of classes.
    """
    mean = members.mean(axis=0)
    gradient = mean.copy()
    gradient[np.arange(len(mean)), mean.argmax(axis=1)] -= 1.0
    return gradient, np.ones((len(mean), 1)) if features is None else features


def _spread(factors: tuple[Floats, Floats], room: _Room, rng: np.random.Generator) -> Places:
    """k-means++ seeding (Arthur and Vassilvitskii 2007): each next sample with a chance like its squared distance."""
    norms = _norms(factors)
    if not len(norms):
        return np.zeros(0, np.int64)
    chosen = [int(norms.argmax())]
    room.take(chosen[0])
    nearest = _distances(factors, norms, chosen[0])
    while len(chosen) < room.count:
        weight = np.where(room.is_open(), nearest, 0.0)
        if weight.sum() <= TINY:  # nothing differs any more: whatever is left, in order of doubt
            weight = np.where(room.is_open(), norms + TINY, 0.0)
        place = int(np.searchsorted(np.cumsum(weight), rng.random() * weight.sum(), side="right"))
        place = min(place, int(np.flatnonzero(weight)[-1]))
        room.take(place)
        chosen.append(place)
        nearest = np.minimum(nearest, _distances(factors, norms, place))
    return np.array(chosen, np.int64)


def _norms(factors: tuple[Floats, Floats]) -> Floats:
    gradient, features = factors
    return np.asarray((gradient**2).sum(axis=1) * (features**2).sum(axis=1))


def _distances(factors: tuple[Floats, Floats], norms: Floats, place: int) -> Floats:
    """Squared distances of all outer products from that at `place`, without forming one."""
    gradient, features = factors
    inner = (gradient @ gradient[place]) * (features @ features[place])
    return np.asarray(np.maximum(norms + norms[place] - 2 * inner, 0.0))


def _entropy(table: Floats) -> Floats:
    return np.asarray(-(table * np.log(np.maximum(table, TINY))).sum(axis=-1))


def _check_members(probabilities: npt.ArrayLike) -> Floats:
    members = np.asarray(probabilities, np.float64)
    if members.ndim != 3 or not members.shape[0] or members.shape[2] < 2:
        raise BadInputError(
            f"Predictions must be [members, samples, classes] with at least two classes, not {members.shape}."
        )
    if not np.isfinite(members).all() or not np.allclose(members.sum(axis=2), 1, atol=1e-3):
        raise BadInputError("Predictions must be probabilities: finite, and 1 in sum for every sample.")
    return members


def _check_rows(name: str, given: npt.ArrayLike | None, n: int) -> Places:
    if given is None:
        return np.zeros(n, np.int64)
    values = np.asarray(given)
    if values.shape != (n,):
        raise BadInputError(f"{name} must have one entry for each of {n} samples; it has the shape {values.shape}.")
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64)


def _check_features(given: npt.ArrayLike | None, n: int) -> Floats | None:
    """Features of unit spread and mean length 1, so that no unit of measure decides; a constant one counts nothing."""
    if given is None:
        return None
    values = np.asarray(given, np.float64)
    if values.ndim != 2 or len(values) != n or not np.isfinite(values).all():
        raise BadInputError(f"features must be {n} rows of finite numbers; they have the shape {values.shape}.")
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(spread > TINY, spread, np.inf)
    return np.asarray(np.column_stack([np.ones(n), scaled / np.sqrt(max(values.shape[1], 1))]))
