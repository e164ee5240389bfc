"""Pixels of a version's samples, all of one size, with the same bands and offset wherever they lie."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.snapshot import ArrayReader
from fusion import modality
from fusion.errors import BadInputError
from geoquorum.catalog.models import Sample
from geoquorum.catalog.pixels import Pixels, read_samples
from geoquorum.queue.services import Claim
from geoquorum.releases.models import DatasetVersion


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Stored values of one modality [sample, band, y, x], with the one offset that is left in them."""

    modality: str
    values: npt.NDArray[np.generic]
    bands: tuple[str, ...]
    offset: float

    def reader(self, rows: npt.NDArray[np.int64]) -> ArrayReader:
        """The chosen rows as an array of a snapshot."""
        chosen = self.values[rows]
        return ArrayReader(
            modality=self.modality,
            dims=("band", "y", "x"),
            dtype=str(chosen.dtype),
            bands=self.bands,
            shape=chosen.shape[1:],
            read=chosen.__getitem__,
            offset=self.offset,
            scale=modality.find(self.modality).scale,
        )


def read_stacks(
    version: DatasetVersion, samples: list[Sample], claim: Claim
) -> tuple[list[Stack], npt.NDArray[np.float64]]:
    """One stack for each modality of the version, and each sample's largest share of missing pixels in any of them."""
    _check_sizes(samples)
    regions: dict[int | None, list[int]] = {}
    for place, sample in enumerate(samples):
        regions.setdefault(sample.region_id, []).append(place)
    stacks, invalid = [], np.zeros(len(samples))
    for number, entry in enumerate(version.modalities):
        parts = []
        for places in regions.values():
            claim.check()
            part = read_samples([samples[place] for place in places], entry["modality"], entry.get("season", ""))
            invalid[places] = np.maximum(invalid[places], 1 - part.valid.mean(axis=(1, 2)))
            parts.append((places, part))
        stacks.append(_join(entry["modality"], parts, samples))
        claim.progress(0.05 + 0.4 * (number + 1) / len(version.modalities), entry["modality"])
    return stacks, invalid


def _check_sizes(samples: list[Sample]) -> None:
    sizes = sorted({(sample.width_px or 0, sample.pixel_size_m or 0.0) for sample in samples})
    if len(sizes) > 1:
        named = ", ".join(f"{pixels} px of {metres:g} m" for pixels, metres in sizes)
        raise BadInputError(f"Samples of one version must have one size; these have {named}.")


def _join(name: str, parts: list[tuple[list[int], Pixels]], samples: list[Sample]) -> Stack:
    """The parts of all regions in the order of samples; regions that differ in bands, type or offset are named."""
    places, first = parts[0]
    values = np.zeros((len(samples), *first.values.shape[1:]), first.values.dtype)
    facts = (first.bands, first.values.dtype, first.offset)
    for where, part in parts:
        if (part.bands, part.values.dtype, part.offset) != facts:
            raise BadInputError(
                f"{name} of {samples[where[0]].region} and of {samples[places[0]].region} cannot be one array: "
                f"{_say(part)} there, {_say(first)} here. Leave one of the regions out."
            )
        values[where] = part.values
    return Stack(modality=name, values=values, bands=tuple(first.bands), offset=first.offset)


def _say(part: Pixels) -> str:
    return f"{' '.join(part.bands)} as {part.values.dtype} with offset {part.offset:g}"
