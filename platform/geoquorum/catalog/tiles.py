"""A region's views as squares of the grid, for maps on which people draw."""

from typing import Any

from django.utils.translation import gettext as _

from annotation import question
from annotation.question import ShownView, view_of
from annotation.questions.lcz_area import QUESTION as AREAS
from fusion import grid
from fusion import modality as modalities
from fusion.errors import BadInputError
from geoquorum.catalog.frames import Frame
from geoquorum.catalog.models import Region
from geoquorum.catalog.pictures import keep_picture, paint
from geoquorum.catalog.pixels import find_scene, list_bands

TILE_PX = 256
SIZES_M = (160, 320, 640, 1280, 2560, 5120, 10_240)  # sides of tiles; the widest has pixels of 40 m


def draw_tile(region: Region, modality: str, view: str, *, season: str, cell: str) -> bytes:
    """PNG of one square; what lies outside the scene is transparent."""
    place = grid.parse_cell(cell)
    if place.size_m not in SIZES_M:
        raise BadInputError(f"Tiles have sides of {', '.join(map(str, SIZES_M))} m; got {place.size_m}.")
    shown, scene = question.find_view(modality, view), find_scene(region, modality, season)
    frame = Frame(epsg=place.epsg, column=place.column, row=place.row, cell_m=place.size_m, across=1, pixels=TILE_PX)
    return keep_picture(scene, f"tile {frame!r} {modality} {shown!r}", lambda: paint(scene, frame, shown))


def list_views(region: Region) -> list[dict[str, Any]]:
    """The views in which areas are judged, of what the region holds; else the first view of each modality.

    `least_m` is the side of the smallest tile that shows more than the one above it.
    """
    seasons: dict[str, list[str]] = {}
    finest: dict[str, float] = {}
    scenes = {}
    for scene in region.scenes.prefetch_related("assets").order_by("captured_from", "pk"):
        seasons.setdefault(scene.modality, []).append(scene.season)
        scenes[scene.modality] = scene
        for asset in scene.assets.all():
            if asset.transform and asset.epsg not in (None, 4326):
                finest[scene.modality] = min(abs(asset.transform[0]), finest.get(scene.modality, 1e9))
    own = [shown for shown in AREAS.views if shown.modality in scenes]
    own = own or [
        ShownView(modality=name, view=view.name, has_seasons=True, title=view.title)
        for name in sorted(scenes)
        for view in modalities.find(name).views[:1]
    ]
    return [
        {
            "modality": shown.modality,
            "view": shown.view,
            "title": _("%(view)s, %(sensor)s")
            % {"view": view_of(shown).title, "sensor": modalities.find(shown.modality).title},
            "seasons": list(dict.fromkeys(seasons[shown.modality])) if shown.has_seasons else [""],
            "least_m": _find_least(finest.get(shown.modality, 10.0)),
        }
        for shown in own
        if set(modalities.list_bands(view_of(shown))) <= set(list_bands(scenes[shown.modality]))
    ]


def _find_least(pixel_m: float) -> int:
    return next((size for size in SIZES_M if size >= pixel_m * TILE_PX), SIZES_M[-1])
