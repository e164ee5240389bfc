"""Who says what when another says something else: classes against classes, experts against experts."""

import numpy as np
import numpy.typing as npt

from annotation.agreement.resampling import Table, divide
from annotation.votes import IntArray, VoteTable


def co_votes(votes: VoteTable) -> IntArray:
    """Ordered pairs of votes of different experts on the same sample by class, [k, k], symmetric."""
    counts = votes.counts().astype(np.float64)  # exact below 2^53, and far faster to multiply than integers
    return np.rint(counts.T @ counts - np.diag(counts.sum(0))).astype(np.int64)


def coincidences(votes: VoteTable) -> Table:
    """Krippendorff's coincidence matrix, [k, k]: pairs of values in a sample, each sample with the weight of its votes.

    Its rows sum to the number of pairable votes of each class, its whole to the number of pairable votes.
    """
    counts = votes.counts()[votes.votes_per_sample >= 2].astype(np.float64)
    share = counts / (counts.sum(1, keepdims=True) - 1)
    return np.asarray(counts.T @ share - np.diag(share.sum(0)))


def row_shares(table: npt.ArrayLike) -> Table:
    """Each row divided by its sum; rows without votes are zero."""
    rows = np.asarray(table, np.float64)
    total = rows.sum(-1, keepdims=True)
    return np.divide(rows, total, out=np.zeros_like(rows), where=total > 0)


def class_agreement(votes: VoteTable) -> Table:
    """When one expert names a class, how often another one does too, [k] (specific agreement, Fleiss 1975)."""
    table = co_votes(votes).astype(np.float64)
    return divide(np.diag(table), table.sum(1))


def voter_agreement(votes: VoteTable) -> tuple[Table, IntArray]:
    """Share of equal answers on common samples [e, e] (NaN without any), and the number of those samples [e, e]."""
    joint = _joint(votes)
    common = joint.sum((1, 3))
    equal = np.trace(joint, axis1=1, axis2=3)
    return divide(equal.astype(np.float64), common.astype(np.float64)), common


def voter_confusion(votes: VoteTable, first: int, second: int) -> IntArray:
    """What two experts answered to their common samples, [k, k]: rows = `first`, columns = `second`."""
    k = votes.n_classes
    columns = [slice(voter * k, (voter + 1) * k) for voter in (first, second)]
    one, other = (votes.matrix[:, place] for place in columns)
    return (one.T @ other).toarray().astype(np.int64)


def confusion_with_rest(votes: VoteTable) -> IntArray:
    """Each expert against all others together, [e, k, k]: rows = the expert's answer, columns = votes of the others."""
    joint = _joint(votes)
    every = joint.sum(2)
    own = np.einsum("ekel->ekl", joint)
    return every - own


def _joint(votes: VoteTable) -> IntArray:
    """How often expert e said k where expert f said l, [e, k, f, l]."""
    k, size = votes.n_classes, votes.n_voters
    return (votes.matrix.T @ votes.matrix).toarray().astype(np.int64).reshape(size, k, size, k)
