"""Pixels of a version's samples, all of one size, with the same bands and offset wherever they lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.snapshot import ArrayReader
from fusion import modality
from fusion.errors import BadInputError
from geoquorum.catalog.dates import EVERY, list_common_dates, look_for_scene
from geoquorum.catalog.models import Region, Sample
from geoquorum.catalog.pixels import declare, find_scene, read_samples
from geoquorum.queue.services import Claim
from geoquorum.releases import cuts
from geoquorum.releases.chunks import cut_in_chunks, find_folder
from geoquorum.releases.cuts import Cut, PlannedCut, count_bytes, hold, open_cut, plan_cut
from geoquorum.releases.models import DatasetVersion

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]
# of the whole job: where cutting begins and ends
ENDS = 0.05, 0.45
# A patch with more of its pixels missing in a modality is left out, or counts as one that does not have the modality.
MOST_INVALID = 0.5


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Stored values of one modality [sample, *shape], with the one offset that is left in them.

    Of a series the first axis of `shape` is time, and `times` say what its places are called. `present` has one flag
    per sample where some may not have the modality.
    """

    modality: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    bands: tuple[str, ...]
    offset: float
    read: Callable[[Ints], Array]
    times: tuple[str, ...] = ()
    wavelengths_nm: tuple[float | None, ...] = ()
    present: Flags | None = None

    def reader(self, rows: Ints) -> ArrayReader:
        """The chosen rows as an array of a snapshot."""
        return ArrayReader(
            modality=self.modality,
            dims=("time", "band", "y", "x") if self.times else ("band", "y", "x"),
            dtype=str(self.dtype),
            bands=self.bands,
            shape=self.shape,
            read=lambda places: self.read(rows[places]),
            offset=self.offset,
            scale=modality.find(self.modality).scale,
            times=self.times,
            wavelengths_nm=self.wavelengths_nm,
            present=None if self.present is None or self.present[rows].all() else self.present[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One date of one modality of a version; `times` are all dates of its series, none where it is no series.

    What is optional need not be there for every sample.
    """

    modality: str
    date: str
    times: tuple[str, ...] = ()
    is_optional: bool = False

    def is_over(self, region: Region | None) -> bool:
        """Whether it is read there; what must be there and is not is named by whoever reads it."""
        return region is None or not self.is_optional or look_for_scene(region, self.modality, self.date) is not None


def read_stacks(
    version: DatasetVersion, samples: list[Sample], claim: Claim
) -> tuple[list[Stack], npt.NDArray[np.float64]]:
    """One stack for each modality of the version, and each sample's largest share of missing pixels in any of them.

    Optional modalities do not count there, but a sample that has none at all misses everything.
    Small versions are held in memory. Large ones are cut in chunks by all workers and read from the parts: both ways
    give the same values.
    """
    _check_sizes(samples)
    regions: dict[int | None, list[int]] = {}
    for place, sample in enumerate(samples):
        regions.setdefault(sample.region_id, []).append(place)
    groups = [np.array(places, dtype=np.int64) for places in regions.values()]
    chosen = [[samples[place] for place in places] for places in groups]
    asked = _list_asked(version.modalities, [part[0].region for part in chosen])
    there = {one: [which for which, part in enumerate(chosen) if one.is_over(part[0].region)] for one in asked}
    planned = _plan_large(there, chosen)
    if planned:
        cut_in_chunks(version, [chunk for one in planned.values() for chunk in one.chunks], claim, ends=ENDS)
    stacks, invalid, has_any = [], np.zeros(len(samples)), np.zeros(len(samples), dtype=bool)
    for number, one in enumerate(asked):
        parts, present = [], np.zeros(len(samples), dtype=bool)
        for which in there[one]:
            claim.check()
            if planned:
                part = open_cut(planned[one, which], find_folder(version))
            else:
                part = hold(read_samples(chosen[which], one.modality, one.date))
            places = groups[which]
            if not one.is_optional:
                invalid[places] = np.maximum(invalid[places], part.missing)
            present[places] = part.missing <= MOST_INVALID
            parts.append((places, part))
        has_any |= present
        stack = _join(one, parts, samples, claim)
        wavelengths = _find_wavelengths(one, [chosen[which] for which in there[one]])
        flags = present if one.is_optional else None
        stacks.append(replace(stack, times=one.times, wavelengths_nm=wavelengths, present=flags))
        share = 1.0 if planned else (number + 1) / len(asked)
        claim.progress(ENDS[0] + (ENDS[1] - ENDS[0]) * share, one.modality)
    return _line_up(stacks), np.where(has_any, invalid, 1.0)


def _list_asked(entries: Sequence[dict[str, Any]], regions: Sequence[Region | None]) -> list[Asked]:
    """Every date that is read, the dates of a series one behind the other."""
    known = [region for region in regions if region is not None]
    found = []
    for entry in entries:
        name, date = entry["modality"], entry.get("season", "")
        times = tuple(list_common_dates(known, name)) if date == EVERY else ()
        is_optional = entry.get("optional", False)
        found += [Asked(modality=name, date=each, times=times, is_optional=is_optional) for each in times or (date,)]
    return found


def _plan_large(there: dict[Asked, list[int]], chosen: list[list[Sample]]) -> dict[tuple[Asked, int], PlannedCut]:
    """The cut of each modality over each region where it is read; nothing where all of them fit into memory."""
    wanted = {(one, which): (chosen[which], one.modality, one.date) for one, found in there.items() for which in found}
    sizes = [count_bytes(*one) for one in wanted.values()]
    if sum(sizes) < cuts.IN_MEMORY_BYTES or not all(sizes):
        return {}
    return {place: plan_cut(*one) for place, one in wanted.items()}


def _check_sizes(samples: list[Sample]) -> None:
    sizes = sorted({(sample.width_px or 0, sample.pixel_size_m or 0.0) for sample in samples})
    if len(sizes) > 1:
        named = ", ".join(f"{pixels} px of {metres:g} m" for pixels, metres in sizes)
        raise BadInputError(f"Samples of one version must have one size; these have {named}.")


def _join(one: Asked, parts: list[tuple[Ints, Cut]], samples: list[Sample], claim: Claim) -> Stack:
    """The parts of all regions in the order of samples; regions that differ in bands, type or offset are named.

    Samples of regions without a part are read as zeros.
    """
    name = one.modality
    if not parts:
        raise BadInputError(f"No region of these samples has a scene of {name} {one.date}".strip() + ". Leave it out.")
    places, first = parts[0]
    owner, row = np.full(len(samples), -1, np.int64), np.empty(len(samples), np.int64)
    for number, (where, part) in enumerate(parts):
        if (part.bands, part.dtype, part.offset) != (first.bands, first.dtype, first.offset):
            raise BadInputError(
                f"{name} of {samples[where[0]].region} and of {samples[places[0]].region} cannot be one array: "
                f"{_say(part)} there, {_say(first)} here. Leave one of the regions out."
            )
        owner[where], row[where] = number, np.arange(len(where))

    def read(rows: Ints) -> Array:
        claim.check()
        values: Array = np.zeros((len(rows), *first.shape), first.dtype)
        for number in np.unique(owner[rows]).tolist():
            here = owner[rows] == number
            if number >= 0:
                values[here] = parts[number][1].read(row[rows[here]])
        return values

    return Stack(modality=name, dtype=first.dtype, shape=first.shape, bands=first.bands, offset=first.offset, read=read)


def _say(part: Cut) -> str:
    return f"{' '.join(part.bands)} as {part.dtype} with offset {part.offset:g}"


def _find_wavelengths(one: Asked, chosen: list[list[Sample]]) -> tuple[float | None, ...]:
    """Of a modality whose bands are those of each file: what every region's file says, which must be the same."""
    if not modality.find(one.modality).has_own_bands:
        return ()
    found: dict[tuple[float | None, ...], Region] = {}
    for part in chosen:
        region = part[0].region
        assert region is not None  # its pixels were read
        declared = declare(find_scene(region, one.modality, one.date))
        found.setdefault(tuple(band.wavelength_nm for band in declared.bands), region)
    if len(found) > 1:
        named = " and ".join(f"of {region}" for region in found.values())
        raise BadInputError(
            f"{one.modality} {named} cannot be one array: their wavelengths differ. Leave one of the regions out."
        )
    return next(iter(found))


def _line_up(stacks: Sequence[Stack]) -> list[Stack]:
    """The dates of each series as one stack with an axis of time before the others."""
    by_name: dict[str, list[Stack]] = {}
    for stack in stacks:
        by_name.setdefault(stack.modality, []).append(stack)
    return [_stack_dates(found) if found[0].times else found[0] for found in by_name.values()]


def _stack_dates(dates: list[Stack]) -> Stack:
    first = dates[0]
    for name, one in zip(first.times, dates, strict=True):
        kept = (one.bands, one.dtype, one.offset, one.wavelengths_nm)
        if kept != (first.bands, first.dtype, first.offset, first.wavelengths_nm):
            raise BadInputError(
                f"{first.modality} of {name} and of {first.times[0]} cannot be one series: "
                f"{' '.join(one.bands)} as {one.dtype} there, {' '.join(first.bands)} as {first.dtype} here. "
                "Choose one date."
            )
    return replace(
        first,
        shape=(len(dates), *first.shape),
        read=lambda rows: np.stack([one.read(rows) for one in dates], axis=1),
    )
