"""Maps of a run's labels: one region, a square per sample, class as colour, agreement or entropy as strength."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from fusion.grid import Cell, parse_cell
from fusion.scheme import Scheme
from geoquorum.campaigns.models import Consensus, ConsensusRun
from geoquorum.campaigns.services.shown import list_views
from geoquorum.catalog.models import Sample, Scene
from geoquorum.figures.cells import Square
from geoquorum.figures.ground import Underlay, ground_map

CELLS_SHOWN = 5_000  # squares of one region's map; beyond, the page would be heavy and the squares unreadable
CONTEXTS = (1, 3, 5, 9, 15, 21)  # sides in cells of the pictures that the catalog draws around a sample
MAP_PX, SMALL_MAP_PX = 640, 400
MOST_PICTURES = 9  # under one map; a larger region is drawn on its graticule alone


def list_cities(run: ConsensusRun) -> list[str]:
    """Regions of the run's samples that have a place on the grid."""
    return sorted(set(run.rows.exclude(sample__cell="").values_list("sample__region__name", flat=True)) - {None})


def choose_cities(run: ConsensusRun) -> tuple[list[str], list[str]]:
    """Cities whose maps together are not too heavy for one page, the first always; and the others."""
    counts = run.rows.exclude(sample__cell="").values_list("sample__region__name").annotate(n=Count("pk"))
    shown, others, total = [], [], 0
    for city, count in sorted((city or "", count) for city, count in counts):
        total += count
        (shown if not shown or total <= CELLS_SHOWN else others).append(city)
    return shown, others


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One sample on the map: its id, its cell and how it is drawn."""

    sample: int
    cell: Cell
    square: Square


def draw_maps(
    scheme: Scheme,
    run: ConsensusRun,
    *,
    city: str | None = None,
    code: str = "",
    by_entropy: bool = False,
    has_pictures: bool = False,
) -> list[dict[str, Any]]:
    """One map for each region (or for `city` alone) and zone: disputed samples crossed; with `code` only that class.

    Strength is the share of votes that name the label; `by_entropy` it is 1 less the entropy of the label's
    distribution, as a share of the largest there can be. `has_pictures` lays the region's first view under it.
    """
    rows = run.rows.exclude(sample__cell="")
    rows = rows if city is None else rows.filter(_lies_in(city))
    rows = rows.filter(code=code) if code else rows
    maps: dict[tuple[str, int, int], list[Placed]] = defaultdict(list)
    columns = (
        "sample__region__name",
        "sample",
        "sample__cell",
        "code",
        "agreement",
        "entropy",
        "status",
        "sample__key",
    )
    for region, sample, text, label, agreement, entropy, status, key in rows.order_by("sample").values_list(*columns):
        cell = parse_cell(text)
        told = f"{entropy:.2f} nats" if by_entropy else f"{agreement:.0%}"
        square = Square(
            column=cell.column,
            row=cell.row,
            code=label,
            strength=1 - entropy / math.log(len(scheme)) if by_entropy else agreement,
            words=f"{key}: {label} {scheme.find(label).name}, {told}",
            is_marked=status == Consensus.Status.DISPUTED,
        )
        maps[region or "", cell.epsg, cell.size_m].append(Placed(sample=sample, cell=cell, square=square))
    return [
        {"number": str(number)}
        | _draw_map(scheme, run, region, found, by_entropy=by_entropy, has_pictures=has_pictures)
        for number, ((region, _epsg, _size_m), found) in enumerate(sorted(maps.items()), start=1)
    ]


def _draw_map(
    scheme: Scheme, run: ConsensusRun, region: str, placed: list[Placed], *, by_entropy: bool, has_pictures: bool
) -> dict[str, Any]:
    squares, shown, cell = [one.square for one in placed], placed[:CELLS_SHOWN], placed[0].cell
    title = _("Entropy in %(region)s") if by_entropy else _("Agreement in %(region)s")
    return {
        "region": region,
        "grid": f"EPSG:{cell.epsg}, {cell.size_m} m",
        "n": len(squares),
        "shown": len(shown),
        "disputed": sum(square.is_marked for square in squares),
        "mean": sum(square.strength for square in squares) / len(squares),
        "entropy": sum(1 - square.strength for square in squares) / len(squares) * math.log(len(scheme)),
        "legend": _count_classes(scheme, squares),
        "shapes": _list_shapes(scheme, run, shown) if has_pictures and settings.BASEMAP_TILES_URL else [],
        "svg": ground_map(
            scheme,
            [one.square for one in shown],
            _lay_pictures(run, shown) if has_pictures else [],
            epsg=cell.epsg,
            size_m=cell.size_m,
            title=title % {"region": region},
            largest_px=MAP_PX if has_pictures else SMALL_MAP_PX,
        ),
    }


def _count_classes(scheme: Scheme, squares: list[Square]) -> list[dict[str, Any]]:
    """Classes on the map in the scheme's order: how many samples, their mean strength, how many disputed."""
    found: dict[str, list[Square]] = defaultdict(list)
    for square in squares:
        found[square.code].append(square)
    return [
        {
            "label": label,
            "n": len(own),
            "mean": sum(one.strength for one in own) / len(own),
            "disputed": sum(one.is_marked for one in own),
        }
        for label in scheme.classes
        if (own := found.get(label.code))
    ]


def _list_shapes(scheme: Scheme, run: ConsensusRun, placed: list[Placed]) -> list[dict[str, Any]]:
    """The same squares for a map of tiles: corners in degrees (latitude first), colour, strength, words, address."""
    return [
        {
            "ring": [[round(lat, 6), round(lon, 6)] for lon, lat in one.cell.footprint_lonlat[:4]],
            "code": one.square.code,
            "colour": scheme.find(one.square.code).colour,
            "strength": round(one.square.strength, 3),
            "words": one.square.words,
            "disputed": one.square.is_marked,
            "url": reverse("campaigns:sample", args=[run.campaign_id, one.sample]) + f"?run={run.pk}",
        }
        for one in placed
    ]


def _lay_pictures(run: ConsensusRun, placed: list[Placed]) -> list[Underlay]:
    """Pictures that together cover the map, each drawn by the catalog around the sample next to its middle."""
    first = Sample.objects.only("pk", "region", "cell").get(pk=placed[0].sample)
    view = next(iter(list_views(run.campaign)), None)
    if view is None or not Scene.objects.filter(region=first.region_id, modality=view.modality).exists():
        return []
    west, south = (min(getattr(one.square, name) for one in placed) for name in ("column", "row"))
    across = max(one.square.column for one in placed) - west + 1
    along = max(one.square.row for one in placed) - south + 1
    side = next((one for one in CONTEXTS if one > max(across, along)), CONTEXTS[-1])
    middles = [
        (column + min(side, across) / 2, row + min(side, along) / 2)
        for column in range(west, west + across, side)
        for row in range(south, south + along, side)
    ]
    if len(middles) > MOST_PICTURES:
        return []
    found = []
    for column, row in middles:
        near = min(placed, key=lambda one: (one.square.column + 0.5 - column) ** 2 + (one.square.row + 0.5 - row) ** 2)
        address = reverse("catalog:picture", args=[near.sample, view.modality, view.view]) + f"?context={side}"
        reach = side // 2
        corner = {"column": near.square.column - reach, "row": near.square.row + reach}
        found.append(Underlay(url=address, side=side, **corner))
    return found


def _lies_in(city: str) -> Q:
    return Q(sample__region__name=city) if city else Q(sample__region=None)
