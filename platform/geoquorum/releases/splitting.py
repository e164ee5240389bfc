"""Which sample of a version is learned from and which is held out, and the proof that nothing is shared."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from fusion import splits
from fusion.errors import BadInputError, NoLocationError
from geoquorum.catalog.dates import find_scenes
from geoquorum.catalog.models import Asset, Post, Region, Sample
from geoquorum.releases.choosing import Chosen
from geoquorum.releases.linking import list_linked
from geoquorum.releases.models import DatasetVersion

DESIGNS = ("block", "city", "city_blocks", "culture_zone", "random")
LIMITED = tuple(splits.LIMITS)  # kinds whose limit a design may change; an area is never parted
Names = Sequence[str | Iterable[str] | None]


def check_design(design: Mapping[str, Any]) -> None:
    """Refuses what no split can be made of, before anything waits in the queue."""
    kind = design.get("kind")
    if kind not in DESIGNS:
        raise BadInputError(f"Unknown split design {kind!r}. Known: {', '.join(DESIGNS)}.")
    limits = design.get("limits", {})
    if unknown := set(limits) - set(LIMITED):
        raise BadInputError(f"No limit can be set for {min(unknown)!r}. Limits are of {', '.join(LIMITED)}.")
    for name, limit in limits.items():
        if not _is_number(limit) or not 0 <= limit <= 1:
            raise BadInputError(f"The limit of {name} is a share from 0 to 1; got {limit!r}.")
    if not _is_number(buffer_m := design.get("buffer_m", 0.0)) or buffer_m < 0:
        raise BadInputError(f"The buffer between splits is 0 m or more; got {buffer_m!r}.")
    if "share" in design and (not _is_number(design["share"]) or not 0 < design["share"] < 1):
        raise BadInputError(f"The share held out for the test lies between 0 and 1; got {design['share']!r}.")


def split_rows(version: DatasetVersion, chosen: list[Chosen]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Split and block of each row by the version's design, and the leak report; refused where splits share too much."""
    design, samples = version.design, [one.row.sample for one in chosen]
    split, blocks = _split(version, chosen)
    report = splits.check_leaks(
        [sample.key for sample in samples],
        split,
        lonlat=_list_places(samples),
        size_m=[(s.width_px or 0) * (s.pixel_size_m or 0.0) for s in samples],
        groups={"block": blocks, **_list_groups(version, samples)},
        limits={**splits.LIMITS, **design.get("limits", {})},
    )
    return split, blocks, report.as_json()


def _split(version: DatasetVersion, chosen: list[Chosen]) -> tuple[list[str], list[str]]:
    """Splits and blocks; patches of one area always lie in one block."""
    design, samples = version.design, [one.row.sample for one in chosen]
    blocks = [sample.block for sample in samples]
    cities = [sample.region.name if sample.region else "" for sample in samples]
    labels, buffer_m = [one.code for one in chosen], design.get("buffer_m", 0.0)
    match design["kind"]:
        case "city":
            return splits.by_city(cities, test=design["test"], validation=design.get("validation", ())), blocks
        case "random":
            share = design.get("share", 0.2)
            return splits.random_in_cities(cities, labels, test=share, seed=version.seed), blocks
        case "city_blocks":
            places, share = _list_places(samples), design.get("share", 0.2)
            return splits.block_in_cities(cities, places, test=share, buffer_m=buffer_m, groups=blocks), blocks
        case "culture_zone":
            held = design.get("held") or _hold_one_per_zone(samples, version.seed)
            places = _list_places(samples)
            return splits.by_culture_zone(cities, places, held=held, buffer_m=buffer_m, groups=blocks), blocks
    x_m, y_m = _centres_m(samples)
    areas, block_m = _list_areas(samples), design["block_m"]
    found = splits.by_block(
        x_m, y_m, labels, block_m=block_m, buffer_m=buffer_m, seed=version.seed, groups=areas if any(areas) else None
    )
    return found.splits, found.blocks


def _hold_one_per_zone(samples: list[Sample], seed: int) -> list[str]:
    regions = [sample.region for sample in samples if sample.region]
    if len(regions) < len(samples):
        raise BadInputError("A sample names no city, so it has no culture zone. Leave it out, or split by block.")
    return splits.hold_one_per_zone(
        [region.name for region in regions], [region.culture_zone for region in regions], seed=seed
    )


def _list_groups(version: DatasetVersion, samples: list[Sample]) -> dict[str, Names]:
    """What samples come from, by kind; kinds that no sample here has are left out."""
    found: dict[str, Names] = {
        "area": _list_areas(samples),
        "clip": [f"clip {s.parent_id}" if s.parent_id and s.kind == Sample.Kind.FRAME else "" for s in samples],
        "scene": _list_scenes(version, samples),
        "photo": _list_photos(version, samples),
        "user": _list_users(version, samples),
        **list_linked(samples),
    }
    return {kind: names for kind, names in found.items() if any(names)}


def _list_areas(samples: list[Sample]) -> list[str]:
    """The area that each sample was cut from, by its block; '' for what stands alone."""
    is_of_area = Sample.Kind.PATCH
    return [sample.block if sample.parent_id and sample.kind == is_of_area else "" for sample in samples]


def _list_scenes(version: DatasetVersion, samples: list[Sample]) -> list[tuple[str, ...]]:
    """The files that each sample is cut from: scene and the beginning of the file's hash."""
    regions = {sample.region_id: sample.region for sample in samples if sample.region}
    files = _list_files(list(regions.values()), version.modalities)
    return [files.get(sample.region_id, ()) for sample in samples]


def _list_files(regions: list[Region], wanted: list[dict[str, Any]]) -> dict[int, tuple[str, ...]]:
    read = [
        find_scenes(regions, entry["modality"], entry.get("season", ""), is_optional=entry.get("optional", False))
        for entry in wanted
    ]
    return {
        region.pk: tuple(
            f"{scene.name} ({sha256[:8]})"
            for scenes in read
            for scene in scenes[region.pk]
            for sha256 in sorted(scene.assets.values_list("sha256", flat=True))
        )
        for region in regions
    }


def _list_photos(version: DatasetVersion, samples: list[Sample]) -> list[tuple[str, ...]]:
    """The files that samples hold themselves, by their hash: one photo may have come in twice."""
    assets = Asset.objects.filter(sample__consensus__run__in=version.consensus_ids)
    own: dict[int, set[str]] = {}
    for sample, sha256 in assets.values_list("sample_id", "sha256"):
        own.setdefault(sample, set()).add(f"photo {sha256[:16]}")
    return [tuple(sorted(own.get(sample.pk, ()))) for sample in samples]


def _list_users(version: DatasetVersion, samples: list[Sample]) -> list[str]:
    """Who wrote each post, as a number that means nothing beyond this report: reports are shown to experts."""
    posts = Post.objects.filter(sample__consensus__run__in=version.consensus_ids).exclude(author="")
    authors = dict(posts.values_list("sample_id", "author"))
    numbers: dict[str, str] = {}
    return [
        numbers.setdefault(authors[sample.pk], f"user {len(numbers) + 1}") if sample.pk in authors else ""
        for sample in samples
    ]


def _list_places(samples: list[Sample]) -> list[tuple[float, float]]:
    """Longitude and latitude, NaN where there is no place."""
    return [(s.longitude, s.latitude) if s.has_place else (np.nan, np.nan) for s in samples]


def _centres_m(samples: list[Sample]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    placeless = [sample.key for sample in samples if not sample.has_place]
    if placeless:
        raise NoLocationError(
            f"{len(placeless)} samples have no place, first {placeless[0]!r}; blocks need one. Split by city instead."
        )
    zones = {sample.epsg for sample in samples}
    if len(zones) != 1 or None in zones:
        raise BadInputError(f"Blocks need samples of one UTM zone; these lie in {len(zones)}. Split by city instead.")
    transformer = Transformer.from_crs(4326, zones.pop(), always_xy=True)
    return transformer.transform([s.longitude for s in samples], [s.latitude for s in samples])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
