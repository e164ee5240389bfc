"""What is known of how scenes lie on the grid, in the words of pages, commands and manifests."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from fusion.cutting.layout import Layout
from geoquorum.catalog.models import Asset, Region, Scene
from geoquorum.catalog.pixels import RESAMPLING
from geoquorum.catalog.shifts import DECIMALS, IS_REFERENCE, find_pixel_m

ON_GRID = "on the grid"


def tell_shift(record: Mapping[str, Any]) -> str:
    """A shift in words: 1.3 m E, 0.4 m S against the reference's name."""
    if record["shift_m"] is None:
        return record["reason"]
    east, north = record["shift_m"]
    sides = f"{abs(east):.1f} m {'W' if east < 0 else 'E'}, {abs(north):.1f} m {'S' if north < 0 else 'N'}"
    return _("%(shift)s against %(name)s") % {"shift": sides, "name": record["against"]}


def advise(record: Mapping[str, Any]) -> str:
    """What to do about a scene that lies beside the others."""
    return _(
        "That is more than %(limit)g pixels: its patches show other ground than those of the other scenes. Check its "
        "CRS and transform (the reference's own where all scenes are flagged), ingest it again with the right ones, or "
        "leave it out of versions."
    ) % {"limit": record["limit_px"]}


def tell_scene(scene: Scene, record: Mapping[str, Any] | None, region: Region, step_m: float) -> dict[str, Any]:
    """For a page: the pixels of a scene, and its shift."""
    found = describe_resampling(scene, region.epsg, step_m)
    pixel = " / ".join(f"{size:g}" for size in found["source_pixel_m"])
    method = _("on the grid") if found["method"] == ON_GRID else found["method"]
    if record is None:
        shift, why = _("not measured"), ""
    elif record["is_sure"]:
        shift, why = tell_shift(record), ""
    elif record["reason"] == IS_REFERENCE:
        shift, why = _("reference"), ""
    else:
        shift, why = _("unsure") if record["tiles"] else _("not measured"), record["reason"]
    return {
        "pixel": f"{pixel} m, {method}" if pixel else "", "shift": shift, "why": why,
        "advice": advise(record) if record is not None and record["is_flagged"] else "",
    }  # fmt: skip


def describe_resampling(scene: Scene, epsg: int | None, step_m: float) -> dict[str, Any]:
    """Whether the pixels of a scene lie on a zone's grid, or how they are brought there, and from which sizes."""
    assets = [asset for asset in scene.assets.all() if asset.transform and asset.epsg]
    is_on_grid = all(epsg is not None and _is_on_grid(asset, epsg, step_m) for asset in assets)
    sizes = sorted({round(find_pixel_m(asset), DECIMALS) for asset in assets})
    return {"method": ON_GRID if is_on_grid else RESAMPLING, "source_pixel_m": sizes}


def _is_on_grid(asset: Asset, epsg: int, step_m: float) -> bool:
    layout = Layout(
        width=asset.width, height=asset.height, epsg=asset.epsg, crs="", transform=tuple(asset.transform),
        block_width=1, block_height=1, pixel_bytes=1, dtype=asset.dtype,
    )  # fmt: skip
    return layout.find_origin(epsg, step_m) is not None
