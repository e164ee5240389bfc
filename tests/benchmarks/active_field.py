"""The ground of the benchmark of active learning: cells of a made-up world, and a simulated panel that is asked.

Cells of some cities may be asked about; other cities are never seen, and only scored on. What the panel says of a cell
is fixed by the seed, so that two ways of choosing that ask about the same cell hear the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from annotation import consensus, policy
from annotation.panel import make_panel
from annotation.votes import VoteTable
from fusion import modality
from fusion import scheme as schemes
from fusion.pack import ArraySource, TargetSpec, write_pack
from fusion.world.ground import draw_ground
from fusion.world.optics import render_sentinel2
from fusion.world.plan import plan_world
from fusion.world.radar import render_sentinel1
from fusion.world.world import CELL_PIXELS, CLASSES, City

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]
SCHEME = "lcz17"
EXPERTS = 10
SENSORS = ("sentinel1", "sentinel2")
QUARTER = 5  # cells: a block of a city is a square of this side


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """Cells as stored arrays by sensor, with their true class, the shares of classes in them, city and block."""

    arrays: dict[str, Array]
    truth: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    city: npt.NDArray[np.int64]
    block: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.truth)

    def of_cities(self, cities: Sequence[int]) -> Places:
        return np.flatnonzero(np.isin(self.city, cities))


def make_ground(seed: int, cities: int, cells: int) -> Ground:
    """All cells of a world, in summer; drawn in memory, through no file."""
    parts = [_draw_city(city, number) for number, city in enumerate(plan_world(seed, cities, cells).cities)]
    return Ground(
        arrays={name: np.concatenate([part[name] for part in parts]) for name in SENSORS},
        truth=np.concatenate([part["truth"] for part in parts]),
        shares=np.concatenate([part["shares"] for part in parts]),
        city=np.concatenate([part["city"] for part in parts]),
        block=np.concatenate([part["block"] for part in parts]),
    )


def _draw_city(city: City, number: int) -> dict[str, Array]:
    ground = draw_ground(city)
    scene = render_sentinel2(city, ground, "summer")
    numbers = np.clip(scene.numbers.astype(np.int32) + scene.offset, 1, 65535).astype(np.uint16)  # as ingest does
    cells = _cut(city.truth[None]).reshape(-1, CELL_PIXELS**2)
    shares = np.stack([(cells == label).mean(axis=1) for label in range(CLASSES)], axis=1)
    side = city.size_px // CELL_PIXELS
    rows, columns = np.divmod(np.arange(side**2), side)
    return {
        "sentinel1": _cut(render_sentinel1(city, ground).channels),
        "sentinel2": _cut(numbers),
        "truth": shares.argmax(axis=1),
        "shares": shares,
        "city": np.full(side**2, number),
        "block": np.array(
            [f"{number} {row} {column}" for row, column in zip(rows // QUARTER, columns // QUARTER, strict=True)]
        ),
    }


def _cut(image: Array) -> Array:
    """Bands [b, y, x] as cells [n, b, 32, 32], row by row."""
    bands, height, width = image.shape
    rows, columns = height // CELL_PIXELS, width // CELL_PIXELS
    cells = image.reshape(bands, rows, CELL_PIXELS, columns, CELL_PIXELS).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(cells.reshape(rows * columns, bands, CELL_PIXELS, CELL_PIXELS))


class Panel:
    """Ten simulated experts; each batch is asked as the adaptive policy asks, and every vote is counted."""

    def __init__(self, ground: Ground, pool: Places, seed: int) -> None:
        self.pool, self.seed = pool, seed
        people = make_panel(seed, EXPERTS, SCHEME)
        said = people.vote(ground.truth[pool], seed, shares=ground.shares[pool]).votes
        self.answers = np.full((len(pool), EXPERTS), -1, np.int16)
        self.answers[said.sample, said.voter] = said.answer
        self.names = said.voter_ids
        self.asked = np.zeros((len(pool), EXPERTS), np.bool_)

    @property
    def can_answer(self) -> npt.NDArray[np.bool_]:
        """Cells that somebody answers for, [pool]: of a few mixed ones nobody says anything."""
        return np.asarray((self.answers >= 0).any(axis=1))

    @property
    def votes(self) -> int:
        return int(self.asked.sum())

    def ask(self, rows: Places) -> None:
        """Ask about cells of the pool, by their places in it."""
        table = self._tabulate(rows, self.answers[rows] >= 0)
        outcome = policy.find("adaptive").play(policy.make_replies(table), self.seed)
        self.asked[rows[outcome.votes.sample], outcome.votes.voter] = True

    def label(self) -> tuple[Places, npt.NDArray[np.float64]]:
        """Places in the pool that have votes, and their distributions by the default for such votes."""
        rows = np.flatnonzero(self.asked.any(axis=1))
        result = consensus.run(consensus.ADAPTIVE_DEFAULT, self._tabulate(rows, self.asked[rows]), seed=self.seed)
        return rows, np.asarray(result.distribution, np.float64)

    def _tabulate(self, rows: Places, which: npt.NDArray[np.bool_]) -> VoteTable:
        sample, voter = (places.astype(np.int32) for places in np.nonzero(which))
        return VoteTable(
            sample=sample,
            voter=voter,
            answer=self.answers[rows][sample, voter].astype(np.int32),
            n_classes=CLASSES,
            sample_ids=tuple(rows.tolist()),
            voter_ids=self.names,
        )


def write_labelled(folder: Path, ground: Ground, rows: Places, shares: npt.NDArray[np.float64]) -> str:
    """A pack whose train split is these cells with these label distributions; answers its folder."""
    codes = schemes.find(SCHEME).codes
    samples = pa.table(
        {
            "id": [f"s{row:06d}" for row in rows],
            "split": ["train"] * len(rows),
            "label": [codes[label] for label in shares.argmax(axis=1)],
            "distribution": shares.astype(np.float32).tolist(),
        }
    )
    arrays = {name: _describe_array(name, ground.arrays[name][rows]) for name in SENSORS}
    write_pack(
        folder,
        name="active",
        number=1,
        samples=samples,
        arrays=arrays,
        targets={SCHEME: TargetSpec(head="classes", scheme=SCHEME)},
        provenance={"simulated": True},
        seed=0,
    )
    return str(folder)


def _describe_array(name: str, values: Array) -> ArraySource:
    bands = modality.find(name).band_names
    return ArraySource(
        modality=name,
        dims=("band", "y", "x"),
        dtype=str(values.dtype),
        bands=bands,
        shape=values.shape[1:],
        chunks=[values],
    )
