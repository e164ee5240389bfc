"""The held-out samples of a benchmark as arrays: ids in test order, truth, and the blocks of the bootstrap."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from fusion.pack import Pack

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
LEAST_BLOCKS = 2  # one alone has no interval


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Samples of one split that have a label, in the order of the pack."""

    ids: tuple[str, ...]
    truth: Ints
    blocks: tuple[str, ...]
    codes: tuple[str, ...]
    scheme: str

    @property
    def shape(self) -> tuple[int, int]:
        """Of predictions: samples and classes."""
        return len(self.ids), len(self.codes)


def read_held_out(folder: Path | str, *, sha256: str, target: str, split: str, by: str) -> HeldOut:
    """Reads them from a pack with this hash; blocks are its blocks or, `by` city, its cities."""
    pack = Pack.open(folder, sha256=sha256)
    found = check_target(pack, target)
    rows = pack.indices(split)
    truth = pack.labels(target)[rows]
    rows, truth = rows[truth >= 0], truth[truth >= 0]
    table = pack.samples
    ids, groups = (table.column(name).take(rows).to_pylist() for name in ("id", by))
    blocks = tuple(group or f"sample {own}" for group, own in zip(groups, ids, strict=True))
    held = HeldOut(ids=tuple(ids), truth=truth, blocks=blocks, codes=tuple(found["codes"]), scheme=str(found["scheme"]))
    if len(set(blocks)) < LEAST_BLOCKS:
        raise BadInputError(
            f"The split {split} holds {len(ids)} labelled samples in {len(set(blocks))} groups by {by}: an interval "
            "needs at least two. Choose another split, or draw by block."
        )
    return held


def check_target(pack: Pack, target: str) -> dict[str, Any]:
    """The pack's entry of a target of classes; anything else is refused."""
    found = pack.target(target)
    if found["head"] != "classes":
        raise BadInputError(
            f"Benchmarks score classes; the target {target!r} has head {found['head']!r}, whose runs are scored in "
            "their reports."
        )
    return found


def draw_public(blocks: tuple[str, ...], *, share: float, seed: int) -> Flags:
    """The rows of the public board: whole blocks, drawn until their rows come nearest to `share`; both parts keep two.

    Samples of one block are alike: with a block on both boards the public one would tell of the private one.
    """
    sizes = Counter(blocks)
    names = sorted(sizes)
    if len(names) < 2 * LEAST_BLOCKS:
        raise BadInputError(
            f"A contest parts the blocks of its split between two boards; {len(names)} are too few, it needs "
            f"{2 * LEAST_BLOCKS}."
        )
    order = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    filled = np.cumsum([sizes[name] for name in order])
    wanted = int(np.argmin(abs(filled - share * len(blocks)))) + 1
    chosen = set(order[: min(max(wanted, LEAST_BLOCKS), len(names) - LEAST_BLOCKS)])
    return np.array([block in chosen for block in blocks])
