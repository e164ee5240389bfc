"""How the scenes of a region lie on its grid: resampled or not, from which pixel size, and how far beside each other.

One scene is the reference: the newest of Sentinel-2, else the first. The shift of each other one against it is measured
(catalog.shifts), kept with the region, and measured again only where files changed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from pyproj.exceptions import ProjError

from fusion.errors import GeoquorumError
from geoquorum.catalog.models import Region, Sample, Scene
from geoquorum.catalog.shift_words import advise, describe_resampling, tell_scene, tell_shift
from geoquorum.catalog.shifts import Cache, list_channels, measure_scene, tell_result

REFERENCES = ("sentinel2", "sentinel2_l2a", "sentinel2_l1c")


@dataclass(frozen=True, kw_only=True)
class Registered:
    """What is known of the scenes of a region, as it is kept, and which files could not be read."""

    region: Region
    scenes: list[dict[str, Any]]
    troubles: list[str] = field(default_factory=list)

    @property
    def flagged(self) -> list[dict[str, Any]]:
        return [one for one in self.scenes if one["is_flagged"]]

    def describe(self) -> list[str]:
        """A line for each scene that lies beside the others, and for each that could not be measured for a fault."""
        lines = [f"Region {self.region}: {one['scene']} lies {tell_shift(one)}. {advise(one)}" for one in self.flagged]
        return lines + [f"Region {self.region}: not measured: {trouble}" for trouble in self.troubles]


def register_region(*, region: Region) -> Registered:
    """Measures the scenes whose files, or whose reference's files, are others than the last time; keeps what it finds.

    A file that cannot be read is told, and stops nothing.
    """
    scenes = _list_scenes(region)
    step_m = _find_step(region)
    channels = {scene.pk: list_channels(scene) for scene in scenes}
    reference = _choose_reference([scene for scene in scenes if channels[scene.pk]])
    known = {(one["modality"], one["scene"]): one for one in region.attributes.get("registration", ())}
    troubles: list[str] = []
    cache: Cache = {}
    found = []
    for scene in scenes:
        facts = _state(scene, reference, region, step_m)
        before = known.get((scene.modality, scene.name))
        if before is not None and not before["has_failed"] and {name: before.get(name) for name in facts} == facts:
            found.append(before)
            continue
        try:
            measured = measure_scene(scene, reference, region, channels, cache) | {"has_failed": False}
        except (GeoquorumError, ProjError, OSError) as error:
            troubles.append(str(error))
            measured = tell_result(reason=str(error)) | {"has_failed": True}
        found.append(facts | measured)
    with transaction.atomic():
        locked = Region.objects.select_for_update().get(pk=region.pk)
        locked.attributes = locked.attributes | {"registration": found}
        locked.save(update_fields=["attributes"])
    region.attributes = locked.attributes
    return Registered(region=locked, scenes=found, troubles=troubles)


def find_records(region: Region, scenes: Iterable[Scene]) -> dict[int, dict[str, Any]]:
    """By scene what was measured of it; nothing of one whose files are others by now."""
    known = {(one["modality"], one["scene"]): one for one in region.attributes.get("registration", ())}
    found = {scene.pk: known.get((scene.modality, scene.name)) for scene in scenes}
    return {scene.pk: one for scene in scenes if (one := found[scene.pk]) and one["files"] == _sum_files(scene)}


def describe_registration(region: Region, scenes: Sequence[Scene], epsg: int, step_m: float) -> list[dict[str, Any]]:
    """For a manifest: how each scene came onto a grid of this pixel size, and its shift; by names alone."""
    known = find_records(region, scenes)
    told = ("against", "shift_m", "shift_px", "tiles", "is_sure", "limit_px", "is_flagged", "reason")
    unknown = tell_result(reason="not measured yet") | {"against": None}
    return [
        {"scene": scene.name} | describe_resampling(scene, epsg, step_m)
        | {name: known.get(scene.pk, unknown)[name] for name in told}
        for scene in sorted(scenes, key=lambda scene: scene.name)
    ]  # fmt: skip


def tell_scenes(region: Region, scenes: Sequence[Scene]) -> dict[int, dict[str, Any]]:
    """For a page: the same of each scene, by its number."""
    known, step_m = find_records(region, scenes), _find_step(region)
    return {scene.pk: tell_scene(scene, known.get(scene.pk), region, step_m) for scene in scenes}


def _list_scenes(region: Region) -> list[Scene]:
    """The first one first, those without a date last; no number of this database decides."""
    scenes = region.scenes.prefetch_related("assets")
    return sorted(
        (scene for scene in scenes if scene.assets.all()),
        key=lambda scene: (
            scene.captured_from is None, scene.captured_from and scene.captured_from.timestamp(), scene.modality,
            scene.name,
        ),
    )  # fmt: skip


def _choose_reference(scenes: Sequence[Scene]) -> Scene | None:
    optical = [scene for scene in scenes if scene.modality in REFERENCES]
    dated = [scene for scene in optical if scene.captured_from is not None]
    return (dated or optical or scenes)[-1 if dated else 0] if scenes else None


def _find_step(region: Region) -> float:
    """Pixel size of the region's patches, in metres; that of Sentinel-2 where there are none."""
    patches = region.samples.filter(kind=Sample.Kind.PATCH, pixel_size_m__gt=0).order_by("pk")
    return patches.values_list("pixel_size_m", flat=True).first() or 10.0


def _state(scene: Scene, reference: Scene | None, region: Region, step_m: float) -> dict[str, Any]:
    """What a measurement depends on: one of the same is not made again."""
    is_other = reference is not None and reference.pk != scene.pk
    against = reference if is_other else None
    return {
        "scene": scene.name,
        "modality": scene.modality,
        **describe_resampling(scene, region.epsg, step_m),
        "against": against.name if against else None,
        "files": _sum_files(scene),
        "against_files": _sum_files(against) if against else None,
    }


def _sum_files(scene: Scene) -> str:
    """One sum over those of a scene's files."""
    return hashlib.sha256(",".join(sorted(asset.sha256 for asset in scene.assets.all())).encode()).hexdigest()
