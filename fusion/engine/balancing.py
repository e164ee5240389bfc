"""Epochs in which every class comes equally often, however rare it is.

Rare classes are drawn more often instead of weighing more in the loss: that means the same for every head and for a
target that is a distribution, keeps the loss comparable between runs, and makes no single sample's step long. The
network then expects all classes equally often, which temperature scaling on validation does not undo.
"""

import numpy as np

from fusion.engine.head import TargetInfo
from fusion.engine.symmetries import Rows
from fusion.errors import SpecError
from fusion.pack import Pack


def read_classes(pack: Pack, target: TargetInfo) -> Rows:
    """The class of every sample of a pack: its label, or where it has none its likeliest one; -1 without either."""
    if target.head != "classes":
        raise SpecError(f"balance: head {target.head!r} has no classes to balance. Say none.")
    labels = pack.labels(target.name)
    shares = np.asarray(pack.distribution(target.name))
    return np.where((labels < 0) & (shares.sum(axis=1) > 0), shares.argmax(axis=1), labels)


def balance(rows: Rows, classes: Rows, *, seed: int, epoch: int) -> Rows:
    """As many rows as given, every class that occurs as often as any other: a pure function of seed and epoch.

    `classes` are those of `rows`. Within a class each row comes once before any comes again; what does not divide
    evenly goes to classes drawn anew each epoch.
    """
    rng = np.random.default_rng([seed, 4, epoch])
    present = rng.permutation(np.unique(classes))
    counts = np.full(len(present), len(rows) // len(present))
    counts[: len(rows) % len(present)] += 1
    chosen = [_repeat(rng, rows[classes == kind], count) for kind, count in zip(present, counts, strict=True)]
    return np.concatenate(chosen).astype(np.int64)


def _repeat(rng: np.random.Generator, rows: Rows, count: int) -> Rows:
    rounds = -(-count // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:count] if rounds else rows[:0]
