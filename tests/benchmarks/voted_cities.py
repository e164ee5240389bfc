"""Made-up cities that simulated experts have voted on, as packs: for benchmarks of learning. Simulated, always."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from annotation.panel import make_panel
from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack
from fusion.world.ground import draw_ground
from fusion.world.optics import render_sentinel2
from fusion.world.plan import plan_world
from fusion.world.radar import render_sentinel1
from fusion.world.world import CELL_PIXELS, CLASSES, City

Array = npt.NDArray[Any]
BLOCK_CELLS = 4  # neighbours within 1.28 km stand or fall together in intervals


@dataclass(frozen=True, kw_only=True, eq=False)
class VotedCities:
    """Samples of several cities: stored arrays by modality, who said what, and what is true.

    `shares` [n, 17] are the parts of each class in the cell, `truth` [n] the largest, `votes` [n, 17] counts.
    """

    arrays: dict[str, Array]
    city: Array
    culture_zone: Array
    block: Array
    shares: Array
    truth: Array
    votes: Array

    @property
    def names(self) -> list[str]:
        """The cities in the order in which the world plans them."""
        return list(dict.fromkeys(self.city.tolist()))

    @property
    def label(self) -> Array:
        """The class with most votes, the first of equals."""
        return np.asarray(self.votes.argmax(axis=1))


def make_cities(seed: int, cities: int, cells: int, experts: int = 10) -> VotedCities:
    """The world of a seed and its panel's votes on every cell; cells that all experts skipped are left out."""
    world = plan_world(seed, cities=cities, cells=cells)
    parts = [_cut_city(city, cells) for city in world.cities]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    truth = joined["shares"].argmax(axis=1)
    said = make_panel(seed, experts, "lcz17").vote(truth, seed, shares=joined["shares"])
    votes = said.votes.counts()
    kept = votes.sum(axis=1) > 0
    return VotedCities(
        arrays={name: joined[name][kept] for name in ("sentinel1", "sentinel2")},
        city=joined["city"][kept],
        culture_zone=joined["culture_zone"][kept],
        block=joined["block"][kept],
        shares=joined["shares"][kept],
        truth=truth[kept],
        votes=votes[kept],
    )


def write(folder: Path, cities: VotedCities, rows: Array, splits: Sequence[str], seed: int) -> Pack:
    """A pack of these rows, each in its split; the label is the majority's, the distribution the shares of votes."""
    codes, votes = schemes.find("lcz17").codes, cities.votes[rows]
    table = pa.table(
        {
            "id": [f"s{row:06d}" for row in rows],
            "split": list(splits),
            "city": cities.city[rows].tolist(),
            "culture_zone": cities.culture_zone[rows].tolist(),
            "block": cities.block[rows].tolist(),
            "label": [codes[label] for label in cities.label[rows]],
            "distribution": (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32).tolist(),
            "votes": votes.tolist(),
        }
    )
    write_pack(
        folder,
        name="voted",
        number=1,
        samples=table,
        arrays={name: _describe(name, values[rows]) for name, values in cities.arrays.items()},
        targets={"lcz17": TargetSpec(head="classes", scheme="lcz17")},
        provenance={"simulated": True, "seed": seed},
        seed=seed,
    )
    return Pack.open(folder)


def _cut_city(city: City, cells: int) -> dict[str, Array]:
    ground = draw_ground(city)
    optical = render_sentinel2(city, ground, "summer")
    numbers = np.clip(optical.numbers.astype(np.int32) + optical.offset, 1, 65_535).astype(np.uint16)
    labels = _cut(city.truth[None], cells).reshape(cells**2, -1)
    rows, columns = (place.ravel() // BLOCK_CELLS for place in np.mgrid[0:cells, 0:cells])
    return {
        "sentinel1": _cut(render_sentinel1(city, ground).channels, cells),
        "sentinel2": _cut(numbers, cells),
        "shares": np.stack([(labels == label).mean(axis=1) for label in range(CLASSES)], axis=1),
        "city": np.full(cells**2, city.name),
        "culture_zone": np.full(cells**2, city.culture_zone),
        "block": np.array([f"{city.slug} {row} {column}" for row, column in zip(rows, columns, strict=True)]),
    }


def _cut(values: Array, cells: int) -> Array:
    """A scene [band, y, x] as its cells [n, band, 32, 32], row by row from the north-west."""
    bands = len(values)
    cut = values.reshape(bands, cells, CELL_PIXELS, cells, CELL_PIXELS).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(cut.reshape(cells**2, bands, CELL_PIXELS, CELL_PIXELS))


def _describe(name: str, values: Array) -> ArraySource:
    return ArraySource(
        modality=name,
        dims=("band", "y", "x"),
        dtype=str(values.dtype),
        bands=modalities.find(name).band_names,
        shape=values.shape[1:],
        chunks=[values],
    )


def learn(folder: Path, pack: Pack, words: dict[str, Any]) -> dict[str, Any]:
    """Train the task of zones through the engine on one thread; answers its report."""
    from fusion.engine.session import open_session
    from fusion.engine.train import train
    from fusion.run import RunSpec

    spec = RunSpec.from_json({"task": "lcz", "pack": str(pack.folder), "device": "cpu", "threads": 1, **words})
    with open_session(folder) as session:
        return train(spec, session).to_json()


def find_logits(folder: Path, arrays: dict[str, Array], batch_size: int = 256) -> Array:
    """Logits [n, 17] of a trained run for stored arrays."""
    from fusion.engine.dataset import MemoryArray
    from fusion.engine.predictor import find_checkpoint, open_predictor

    predictor = open_predictor(find_checkpoint(folder)[0], device="cpu", threads=1)
    stored = {name: MemoryArray(values=values) for name, values in arrays.items()}
    rows = np.arange(len(next(iter(arrays.values()))), dtype=np.int64)
    return predictor.run(stored, rows, batch_size)
