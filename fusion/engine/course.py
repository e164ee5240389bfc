"""What is read and drawn in a run, step by step: pure functions of the seed and the place in the run.

So a run that was interrupted goes on with the same samples, and two processes read what one would.
"""

from dataclasses import dataclass

import numpy as np

from fusion.engine.balancing import balance
from fusion.engine.dataset import shuffle
from fusion.engine.mixing import Mixing, draw_mixing
from fusion.engine.parallel import split
from fusion.engine.symmetries import Rows, draw_symmetries
from fusion.run import RunSpec


@dataclass(frozen=True, kw_only=True)
class Portion:
    """One micro-batch of a step as far as one process reads it.

    `total` are the step's samples, of which these are a share; `seed` is for what is drawn while it is learned from
    (dropout).
    """

    rows: Rows
    symmetries: Rows | None
    mixing: Mixing | None
    total: int
    is_last: bool
    seed: int

    @property
    def share(self) -> float:
        """These samples of the step's."""
        return len(self.rows) / self.total


@dataclass(frozen=True, kw_only=True)
class Course:
    """The samples of a run in the order in which they are learned from, for process `rank` of `count`.

    `classes` are those of `rows` where classes are balanced; `symmetries` those that all inputs allow.
    """

    spec: RunSpec
    rows: Rows
    classes: Rows | None
    symmetries: tuple[int, ...]
    by_blocks: bool
    rank: int = 0
    count: int = 1

    @property
    def unit(self) -> int:
        """Samples that must stay together: mixup takes pairs."""
        return 2 if self.spec.mixup else 1

    def order(self, epoch: int) -> Rows:
        """The samples of an epoch."""
        seed, rows = self.spec.seed, self.rows
        if self.classes is not None:
            rows = balance(rows, self.classes, seed=seed, epoch=epoch)
        return shuffle(rows, seed=seed, epoch=epoch, by_blocks=self.by_blocks)

    def list_portions(self, order: Rows, epoch: int, batch: int) -> list[Portion]:
        """This process's portions of one step, a micro-batch each."""
        spec, size = self.spec, self.spec.batch_size
        rows = order[batch * size : (batch + 1) * size]
        place = {"seed": spec.seed, "epoch": epoch, "batch": batch}
        is_turned = spec.augment and len(self.symmetries) > 1
        turns = draw_symmetries(len(rows), self.symmetries, **place) if is_turned else None
        mixing = draw_mixing(len(rows), mixup=spec.mixup, cutout=spec.cutout, **place)
        micros = split(np.arange(len(rows)), spec.accumulate, self.unit)
        mine = [split(micro, self.count, self.unit)[self.rank] for micro in micros]
        return [
            Portion(
                rows=rows[places],
                symmetries=None if turns is None else turns[places],
                mixing=None if mixing is None else mixing.cut(places),
                total=len(rows),
                is_last=number == len(mine) - 1,
                seed=_draw_seed(spec.seed, epoch, batch, number, self.rank),
            )
            for number, places in enumerate(mine)
        ]

    def find_least(self) -> int:
        """Samples that a step must have at least, so that no process goes without in any micro-batch."""
        return self.unit * (self.spec.accumulate * self.count - 1) + 1


def _draw_seed(*place: int) -> int:
    return int(np.random.SeedSequence([5, *place]).generate_state(1, np.uint64)[0])
