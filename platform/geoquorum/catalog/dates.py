"""Dates of a region's scenes: what each is called where one is chosen, and which scene a name means.

A scene goes by its season, as long as its modality has no two days of one season over the region; else by its day.
"""

from collections.abc import Collection, Sequence
from datetime import UTC

from django.db.models import F

from fusion.errors import BadInputError
from geoquorum.catalog.models import Region, Scene

EVERY = "*"  # in place of a name: every date of the modality, from the first to the last


def tell_day(scene: Scene) -> str:
    """The day (UTC) on which it was captured, as 2024-07-03; empty where it says none."""
    return scene.captured_from.astimezone(UTC).date().isoformat() if scene.captured_from else ""


def name_dates(scenes: Sequence[Scene]) -> list[str]:
    """What each of these scenes of one modality over one region is called."""
    days: dict[str, set[str]] = {}
    for scene in scenes:
        days.setdefault(scene.season, set()).add(tell_day(scene))
    is_by_day = any(len(found) > 1 for found in days.values())
    return [(is_by_day and tell_day(scene)) or scene.season for scene in scenes]


def list_dates(regions: Collection[Region | int]) -> dict[int, dict[str, list[str]]]:
    """Names of dates by region and modality, from the first to the last; undated scenes come last."""
    found: dict[tuple[int, str], list[Scene]] = {}
    scenes = Scene.objects.filter(region__in=regions).order_by(F("captured_from").asc(nulls_last=True), "pk")
    for scene in scenes.only("region_id", "modality", "season", "captured_from"):
        found.setdefault((scene.region_id, scene.modality), []).append(scene)
    named: dict[int, dict[str, list[str]]] = {}
    for (region, modality), those in found.items():
        named.setdefault(region, {})[modality] = list(dict.fromkeys(name_dates(those)))
    return named


def list_common_dates(regions: Sequence[Region], modality: str) -> list[str]:
    """Names that the scenes of every region have, in the order of the first; BadInputError where there is none."""
    named = list_dates(regions)
    lists = {region.name: named.get(region.pk, {}).get(modality, []) for region in regions}
    first, *others = lists.values() or [[]]
    common = [name for name in first if name and all(name in other for other in others)]
    if common:
        return common
    told = "; ".join(f"{region}: {', '.join(filter(None, dates)) or 'none'}" for region, dates in lists.items())
    raise BadInputError(f"The regions share no date of {modality} ({told}). Choose one season, or fewer regions.")


def look_for_scene(region: Region, modality: str, date: str = "") -> Scene | None:
    """The newest scene of a modality (of a season, or of a day), where the region has one."""
    newest = F("captured_from").desc(nulls_last=True)
    scenes = region.scenes.filter(modality=modality).order_by(newest, "-pk")
    return scenes.first() if not date else next((one for one in scenes if date in (one.season, tell_day(one))), None)


def find_scene(region: Region, modality: str, date: str = "") -> Scene:
    """The newest scene of a modality (of a season, or of a day); what is missing is said with what there is."""
    found = look_for_scene(region, modality, date)
    if found is None:
        there = ", ".join(
            f"{name} {when}".strip()
            for name, dates in sorted(list_dates([region]).get(region.pk, {}).items())
            for when in dates
        )
        wanted = f"{modality} scene of {date}" if date else f"{modality} scene"
        raise BadInputError(f"Region {region.name!r} has no {wanted}. It has: {there or 'none'}.")
    return found


def find_scenes(
    regions: Sequence[Region], modality: str, date: str, *, is_optional: bool = False
) -> dict[int, list[Scene]]:
    """By region: its scene of a date, or with EVERY those of each date that all of these regions have.

    What is optional may be missing: such a region has no scene here.
    """
    if is_optional:
        found = {region.pk: look_for_scene(region, modality, date) for region in regions}
        return {region: [scene] if scene else [] for region, scene in found.items()}
    dates = list_common_dates(regions, modality) if date == EVERY else [date]
    return {region.pk: [find_scene(region, modality, each) for each in dates] for region in regions}
