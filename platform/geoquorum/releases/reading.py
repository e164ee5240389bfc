"""Pixels of a version's samples, all of one size, with the same bands and offset wherever they lie."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.snapshot import ArrayReader
from fusion import modality
from fusion.errors import BadInputError
from geoquorum.catalog.models import Sample
from geoquorum.catalog.pixels import read_samples
from geoquorum.queue.services import Claim
from geoquorum.releases import cuts
from geoquorum.releases.chunks import cut_in_chunks, find_folder
from geoquorum.releases.cuts import Cut, PlannedCut, count_bytes, hold, open_cut, plan_cut
from geoquorum.releases.models import DatasetVersion

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
# of the whole job: where cutting begins and ends
ENDS = 0.05, 0.45


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Stored values of one modality [sample, *shape], with the one offset that is left in them."""

    modality: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    bands: tuple[str, ...]
    offset: float
    read: Callable[[Ints], Array]

    def reader(self, rows: Ints) -> ArrayReader:
        """The chosen rows as an array of a snapshot."""
        return ArrayReader(
            modality=self.modality,
            dims=("band", "y", "x"),
            dtype=str(self.dtype),
            bands=self.bands,
            shape=self.shape,
            read=lambda places: self.read(rows[places]),
            offset=self.offset,
            scale=modality.find(self.modality).scale,
        )


def read_stacks(
    version: DatasetVersion, samples: list[Sample], claim: Claim
) -> tuple[list[Stack], npt.NDArray[np.float64]]:
    """One stack for each modality of the version, and each sample's largest share of missing pixels in any of them.

    Small versions are held in memory. Large ones are cut in chunks by all workers and read from the parts: both ways
    give the same values.
    """
    _check_sizes(samples)
    regions: dict[int | None, list[int]] = {}
    for place, sample in enumerate(samples):
        regions.setdefault(sample.region_id, []).append(place)
    groups = [np.array(places, dtype=np.int64) for places in regions.values()]
    chosen = [[samples[place] for place in places] for places in groups]
    planned = _plan_large(version, chosen)
    if planned:
        cut_in_chunks(version, [chunk for one in planned for chunk in one.chunks], claim, ends=ENDS)
    stacks, invalid = [], np.zeros(len(samples))
    for number, entry in enumerate(version.modalities):
        parts = []
        for which, places in enumerate(groups):
            claim.check()
            if planned:
                part = open_cut(planned[number * len(groups) + which], find_folder(version))
            else:
                part = hold(read_samples(chosen[which], entry["modality"], entry.get("season", "")))
            invalid[places] = np.maximum(invalid[places], part.missing)
            parts.append((places, part))
        stacks.append(_join(entry["modality"], parts, samples, claim))
        share = 1.0 if planned else (number + 1) / len(version.modalities)
        claim.progress(ENDS[0] + (ENDS[1] - ENDS[0]) * share, entry["modality"])
    return stacks, invalid


def _plan_large(version: DatasetVersion, chosen: list[list[Sample]]) -> list[PlannedCut]:
    """The cut of each modality over each region; nothing where all of them fit into memory."""
    wanted = [(part, one["modality"], one.get("season", "")) for one in version.modalities for part in chosen]
    sizes = [count_bytes(*one) for one in wanted]
    if sum(sizes) < cuts.IN_MEMORY_BYTES or not all(sizes):
        return []
    return [plan_cut(*one) for one in wanted]


def _check_sizes(samples: list[Sample]) -> None:
    sizes = sorted({(sample.width_px or 0, sample.pixel_size_m or 0.0) for sample in samples})
    if len(sizes) > 1:
        named = ", ".join(f"{pixels} px of {metres:g} m" for pixels, metres in sizes)
        raise BadInputError(f"Samples of one version must have one size; these have {named}.")


def _join(name: str, parts: list[tuple[Ints, Cut]], samples: list[Sample], claim: Claim) -> Stack:
    """The parts of all regions in the order of samples; regions that differ in bands, type or offset are named."""
    places, first = parts[0]
    owner, row = np.empty(len(samples), np.int64), np.empty(len(samples), np.int64)
    for number, (where, part) in enumerate(parts):
        if (part.bands, part.dtype, part.offset) != (first.bands, first.dtype, first.offset):
            raise BadInputError(
                f"{name} of {samples[where[0]].region} and of {samples[places[0]].region} cannot be one array: "
                f"{_say(part)} there, {_say(first)} here. Leave one of the regions out."
            )
        owner[where], row[where] = number, np.arange(len(where))

    def read(rows: Ints) -> Array:
        claim.check()
        values: Array = np.empty((len(rows), *first.shape), first.dtype)
        for number in np.unique(owner[rows]).tolist():
            here = owner[rows] == number
            values[here] = parts[number][1].read(row[rows[here]])
        return values

    return Stack(modality=name, dtype=first.dtype, shape=first.shape, bands=first.bands, offset=first.offset, read=read)


def _say(part: Cut) -> str:
    return f"{' '.join(part.bands)} as {part.dtype} with offset {part.offset:g}"
