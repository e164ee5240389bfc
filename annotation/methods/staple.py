"""Masks of several voters, each with a sensitivity and a specificity, found together with the true mask.

STAPLE: Warfield, Zou and Wells, IEEE Transactions on Medical Imaging 23(7), 2004. A voter's two figures are shared by
all samples, the share of object pixels is each sample's own. Pixels painted alike by everybody are counted, not
repeated: an iteration costs as many steps as there are different patterns.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.consensus import Method, Parameters
from annotation.mask_sets import MaskSets, MaskVotes
from annotation.votes import BoolArray, FloatArray, IntArray
from fusion.errors import BadInputError

# `tolerance` is the largest change of a voter's figure that ends the search; `voter_prior` is pseudo-pixels of a voter
# who is right nine times in ten.
DEFAULTS: Parameters = {"max_iterations": 100, "tolerance": 1e-5, "voter_prior": 1.0}
USUALLY_RIGHT = 0.9

Table = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Patterns:
    """What the voters of one sample painted: patterns [p, v], pixels of each [p], and the pattern of each pixel."""

    voters: IntArray
    painted: Table
    pixels: Table
    of_pixel: npt.NDArray[np.int64]
    shape: tuple[int, int]


def conclude(votes: MaskVotes, seed: int, parameters: Parameters) -> MaskSets:
    """True masks and the voters' figures; `seed` is not used."""
    if parameters["max_iterations"] < 1 or not parameters["voter_prior"] > 0:
        raise BadInputError("Parameters 'max_iterations' and 'voter_prior' must be above 0.")
    patterns = [_find_patterns(votes, ballots) for ballots in votes.by_sample()]
    beliefs = [each.painted.mean(1) for each in patterns]
    figures, step, change = _maximise(patterns, beliefs, len(votes.voter_ids), parameters), 0, float("inf")
    while step < int(parameters["max_iterations"]) and change > parameters["tolerance"]:
        beliefs = [_expect(each, belief, figures) for each, belief in zip(patterns, beliefs, strict=True)]
        before, figures = figures, _maximise(patterns, beliefs, len(votes.voter_ids), parameters)
        change, step = float(np.abs(figures - before).max()), step + 1
    probability = tuple(_paint(each, belief) for each, belief in zip(patterns, beliefs, strict=True))
    return MaskSets(
        sample_ids=votes.sample_ids,
        probability=probability,
        is_object=tuple(table > 0.5 for table in probability),
        sensitivity=figures[0].astype(np.float32),
        specificity=figures[1].astype(np.float32),
        votes=votes.votes_per_sample,
        iterations=step,
        converged=change <= parameters["tolerance"],
    )


def _find_patterns(votes: MaskVotes, ballots: IntArray) -> _Patterns:
    masks = [votes.masks[ballot] for ballot in ballots]
    stack: BoolArray = np.stack([mask.ravel() for mask in masks])
    packed = np.ascontiguousarray(np.packbits(stack, axis=0).T)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, of_pixel, pixels = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return _Patterns(
        voters=votes.voter[ballots],
        painted=stack[:, first].T.astype(np.float64),
        pixels=pixels.astype(np.float64),
        of_pixel=of_pixel,
        shape=(masks[0].shape[0], masks[0].shape[1]),
    )


def _maximise(patterns: list[_Patterns], beliefs: list[Table], voters: int, parameters: Parameters) -> Table:
    """Sensitivity and specificity of each voter, [2, e]."""
    prior = parameters["voter_prior"]
    right, given = np.full((2, voters), prior * USUALLY_RIGHT), np.full((2, voters), prior)
    for each, belief in zip(patterns, beliefs, strict=True):
        inside, outside = belief * each.pixels, (1 - belief) * each.pixels
        right[:, each.voters] += inside @ each.painted, outside @ (1 - each.painted)
        given[:, each.voters] += np.array([[inside.sum()], [outside.sum()]])
    found: Table = right / given
    return found


def _expect(each: _Patterns, belief: Table, figures: Table) -> Table:
    """P(object) of each pattern, under the sample's share of object pixels."""
    sensitivity, specificity = np.clip(figures[:, each.voters], 1e-9, 1 - 1e-9)
    share = np.clip((belief @ each.pixels) / each.pixels.sum(), 1e-9, 1 - 1e-9)
    inside = np.log(share) + each.painted @ np.log(sensitivity) + (1 - each.painted) @ np.log(1 - sensitivity)
    outside = np.log1p(-share) + each.painted @ np.log(1 - specificity) + (1 - each.painted) @ np.log(specificity)
    found: Table = 1 / (1 + np.exp(np.clip(outside - inside, -700, 700)))
    return found


def _paint(each: _Patterns, belief: Table) -> FloatArray:
    return belief[each.of_pixel].reshape(each.shape).astype(np.float32)


METHOD = Method(
    name="staple",
    title="STAPLE",
    version=1,
    answer_kind="mask",
    conclude=conclude,
    defaults=DEFAULTS,
    source="Warfield, Zou and Wells, IEEE TMI 23(7), 2004",
)
