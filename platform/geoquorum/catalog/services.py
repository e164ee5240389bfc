"""Regions, ingest and the cutting of regions into patch samples on the global grid."""

import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.utils.text import slugify
from pyproj import CRS, Transformer
from shapely.geometry import mapping

from fusion import grid
from fusion import modality as modalities
from fusion.errors import BadInputError, NoLocationError
from fusion.scheme import Scheme
from fusion.source import Bounds, Inspect, RasterInfo
from fusion.sources import geotiff
from geoquorum.accounts.models import Project
from geoquorum.catalog.bounds import find_centre, join_bounds, outline
from geoquorum.catalog.models import Asset, Reference, Region, Sample, Scene

LONGEST_NAME = 120
DEGREE_M = 111_000.0
HEIGHTS = ("elevation", "lidar_heights")


def get_region(*, project: Project, name: str, is_simulated: bool = False, **facts: Any) -> Region:
    """The region of this name in the project, made when it is new. Its slug is safe in addresses and file names."""
    if not name.strip() or len(name) > LONGEST_NAME:
        raise BadInputError(f"A region needs a name of at most {LONGEST_NAME} characters; this one has {len(name)}.")
    slug = slugify(name)[:60]
    if not slug or Region.objects.filter(project=project, slug=slug).exclude(name=name).exists():
        slug = f"{slug or 'region'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    found, _created = Region.objects.get_or_create(
        project=project, name=name, defaults={"slug": slug, "is_simulated": is_simulated, **facts}
    )
    return found


def ingest(
    *,
    region: Region,
    paths: Sequence[Path],
    modality: str,
    bands: Sequence[str] | None = None,
    captured: datetime | None = None,
    offset: float | None = None,
    season: str = "",
    inspect: Inspect = geotiff.inspect,
) -> list[tuple[Scene, list[RasterInfo]]]:
    """Every file is read whole and checked first; then all of it is taken, or nothing. One scene per acquisition.

    The pixels stay where they are: rows hold path, sha256, size, CRS, transform, bands, dates, nodata and scaling.
    `inspect` is that of the source: files that somebody sent are looked at in a process of their own.
    """
    infos = inspect(paths, modalities.find(modality), bands=bands, captured=captured, offset=offset)
    groups: dict[str, list[RasterInfo]] = {}
    for info in infos:
        groups.setdefault(info.scene, []).append(info)
    with transaction.atomic():
        return [(_take_scene(region, modality, name, group, season), group) for name, group in groups.items()]


def _take_scene(region: Region, modality: str, name: str, infos: list[RasterInfo], season: str) -> Scene:
    west, south, east, north = join_bounds([info.lonlat_bounds for info in infos])
    first = infos[0]
    scene, _created = Scene.objects.update_or_create(
        region=region,
        modality=modality,
        name=name,
        defaults={
            "project": region.project,
            "season": season or _season_of(first.captured_from, is_northern=north > 0),
            "captured_from": first.captured_from,
            "captured_to": first.captured_to,
            "epsg": first.epsg,
            "west": west,
            "south": south,
            "east": east,
            "north": north,
            "invalid_share": max(info.invalid_share for info in infos),
            "is_simulated": any(info.is_simulated for info in infos),
        },
    )
    scene.assets.all().delete()
    Asset.objects.bulk_create(_asset(scene, info) for info in infos)
    widen_region(region, (west, south, east, north), is_simulated=scene.is_simulated)
    return scene


def cut_patches(*, region: Region, size_m: int = grid.DEFAULT_SIZE_M, pixels: int = 32) -> list[Sample]:
    """One patch sample for each grid cell of the region's zone that every modality's scenes cover whole.

    Heights beside other scenes cut nothing off: where they lie they are linked (catalog.linking), elsewhere they are
    missing. Samples that exist stay as they are. A region without a place is refused.
    """
    cells = _covered_cells(region, _cells_of(region, size_m))
    captured = region.scenes.exclude(captured_from=None).order_by("captured_from")
    first, last = captured.first(), captured.last()
    Sample.objects.bulk_create(
        (
            Sample(
                project=region.project,
                region=region,
                kind=Sample.Kind.PATCH,
                key=cell.id,
                cell=cell.id,
                block=_block(region, cell),
                longitude=cell.centre_lonlat[0],
                latitude=cell.centre_lonlat[1],
                footprint=mapping(cell.footprint),
                epsg=cell.epsg,
                transform=[size_m / pixels, 0, cell.bounds[0], 0, -size_m / pixels, cell.bounds[3]],
                width_px=pixels,
                height_px=pixels,
                pixel_size_m=size_m / pixels,
                captured_from=first and first.captured_from,
                captured_to=last and (last.captured_to or last.captured_from),
                is_simulated=region.is_simulated,
            )
            for cell in cells
        ),
        ignore_conflicts=True,
    )
    keys = [cell.id for cell in cells]
    return list(Sample.objects.filter(project=region.project, kind=Sample.Kind.PATCH, key__in=keys).order_by("pk"))


def suggest_cell_m(region: Region) -> int | None:
    """A size of cells of which some lie wholly on the region's smallest scene; None where it is too small for any."""
    sides = []
    for west, south, east, north in region.scenes.exclude(west=None).values_list("west", "south", "east", "north"):
        shrink = math.cos(math.radians((south + north) / 2))
        sides.append(min((east - west) % 360 * shrink, north - south) * DEGREE_M)
    if not sides:
        return None
    # a side twice as long as a cell holds a whole one, wherever it begins; UTM stands a little askew to degrees
    fits = int(min(sides) * 0.48) // grid.SIZE_STEP_M * grid.SIZE_STEP_M
    return fits or None


def attach_references(
    *,
    samples: Sequence[Sample],
    path: Path,
    band: str,
    scheme: Scheme,
    values: dict[int, str],
    source: str,
    least_known: float = 0.0,
) -> list[Reference]:
    """Labels from a raster of classes: a sample's code is its most frequent class, its distribution their shares.

    `values` gives the code of each stored value; other values count as unknown. Samples with none known, or with less
    than the share `least_known` of their pixels, get no row.
    """
    cells = [grid.parse_cell(sample.cell) for sample in samples]
    codes, valid = geotiff.read_cells(path, [band], cells, samples[0].width_px or 32, "nearest")
    table = np.stack([((codes[:, 0] == value) & valid).sum(axis=(1, 2)) for value in values], axis=1)
    known = table.sum(axis=1)
    order = [scheme.index(code) for code in values.values()]
    rows = []
    for sample, counts, total in zip(samples, table, known, strict=True):
        if total == 0 or total < least_known * valid[0].size:
            continue
        shares = np.zeros(len(scheme))
        np.add.at(shares, order, counts / total)
        code = scheme.codes[int(shares.argmax())]
        rows.append(
            Reference(sample=sample, scheme=scheme.name, source=source, code=code, distribution=shares.tolist())
        )
    return Reference.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["sample", "scheme", "source"],
        update_fields=["code", "distribution"],
    )


def _cells_of(region: Region, size_m: int) -> list[grid.Cell]:
    scenes = region.scenes.exclude(west=None).values_list("west", "south", "east", "north")
    if not scenes or region.epsg is None:
        raise NoLocationError(
            f"Region {region.name!r} has no place on the ground. Ingest a georeferenced scene into it first."
        )
    cells = sorted({cell for bounds in set(scenes) for cell in grid.cells_over(outline(bounds), size_m)})
    zones = sorted({cell.epsg for cell in cells})
    home = (
        region.epsg if region.epsg in zones else max(zones, key=lambda epsg: sum(cell.epsg == epsg for cell in cells))
    )
    return [cell for cell in cells if cell.epsg == home]


def _covers(asset: Asset, cells: Sequence[grid.Cell]) -> npt.NDArray[np.bool_]:
    """Which cells lie wholly on the raster, judged in the raster's own CRS."""
    a, _b, left, _d, e, top = asset.transform
    right, bottom = left + a * asset.width, top + e * asset.height
    inside = np.zeros(len(cells), dtype=bool)
    slack = abs(a) * 0.01
    for place, cell in enumerate(cells):
        west, south, east, north = _bounds_in(asset.epsg, cell)
        inside[place] = (
            west >= left - slack and east <= right + slack and south >= bottom - slack and north <= top + slack
        )
    return inside


def _bounds_in(epsg: int, cell: grid.Cell) -> tuple[float, float, float, float]:
    if epsg == cell.epsg:
        return cell.bounds
    return _transformer(cell.epsg, epsg).transform_bounds(*cell.bounds, densify_pts=5)


@cache
def _transformer(source: int, target: int) -> Transformer:
    flat = CRS.from_epsg(target)
    return Transformer.from_crs(source, flat.sub_crs_list[0] if flat.is_compound else flat, always_xy=True)


def _covered_cells(region: Region, cells: Sequence[grid.Cell]) -> list[grid.Cell]:
    by_modality: dict[str, npt.NDArray[np.bool_]] = {}
    for scene in region.scenes.prefetch_related("assets"):
        on_scene = np.all([_covers(asset, cells) for asset in scene.assets.all()], axis=0)
        by_modality[scene.modality] = by_modality.get(scene.modality, np.zeros(len(cells), dtype=bool)) | on_scene
    if not by_modality or not cells:
        return []
    wanted = [covered for name, covered in by_modality.items() if name not in HEIGHTS] or list(by_modality.values())
    return [cell for cell, keep in zip(cells, np.all(wanted, axis=0), strict=True) if keep]


def _block(region: Region, cell: grid.Cell, cells_wide: int = 4) -> str:
    """Square of 4 x 4 cells (1.28 km at 320 m): the unit that intervals resample and that splits keep whole."""
    return f"{region.slug}-{cell.column // cells_wide}-{cell.row // cells_wide}"


def _asset(scene: Scene, info: RasterInfo) -> Asset:
    told: dict[str, Any] = {"notes": list(info.notes)}
    if info.wavelengths_nm:
        told["wavelengths_nm"] = list(info.wavelengths_nm)
    if modalities.find(scene.modality).has_own_bands:
        told["without_data"] = [band for band in info.bands if band not in info.used]
    return Asset(
        project=scene.project,
        scene=scene,
        modality=scene.modality,
        uri=str(Path(info.path).resolve()),
        sha256=info.sha256,
        size_bytes=info.size_bytes,
        driver=info.driver,
        bands=list(info.bands),
        dtype=info.dtype,
        nodata=info.nodata,
        scale=info.scale,
        offset=info.offset,
        epsg=info.epsg,
        transform=list(info.transform),
        width=info.width,
        height=info.height,
        west=info.lonlat_bounds[0],
        south=info.lonlat_bounds[1],
        east=info.lonlat_bounds[2],
        north=info.lonlat_bounds[3],
        captured_from=info.captured_from,
        captured_to=info.captured_to,
        attributes=told,
    )


def widen_region(region: Region, bounds: Bounds, *, is_simulated: bool = False) -> None:
    """Widens the region to hold what lies in `bounds`; what is made up makes the region a made-up one."""
    known = [] if region.west is None else [(region.west, region.south, region.east, region.north)]
    region.west, region.south, region.east, region.north = join_bounds([*known, bounds])
    longitude, latitude = find_centre(bounds)
    if region.epsg is None and grid.SOUTH_LIMIT <= latitude < grid.NORTH_LIMIT:
        region.epsg = grid.cell_at(longitude, latitude).epsg
    region.is_simulated = region.is_simulated or is_simulated
    region.save(update_fields=["west", "south", "east", "north", "epsg", "is_simulated"])


def _season_of(when: datetime | None, *, is_northern: bool) -> str:
    """Meteorological season where the scene lies."""
    if when is None:
        return ""
    quarter = (when.month % 12 // 3 + (0 if is_northern else 2)) % 4
    return ("winter", "spring", "summer", "autumn")[quarter]
