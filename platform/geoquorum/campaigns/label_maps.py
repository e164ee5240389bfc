"""Maps of a run's labels: one region, a square per sample, class as colour, agreement as strength."""

from collections import defaultdict
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from fusion.grid import parse_cell
from fusion.scheme import Scheme
from geoquorum.campaigns.models import Consensus, ConsensusRun
from geoquorum.figures.cells import Square, cell_map

CELLS_SHOWN = 5_000  # squares of one region's map; beyond, the page would be heavy and the squares unreadable


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


def draw_maps(scheme: Scheme, run: ConsensusRun, *, city: str | None = None, code: str = "") -> list[dict[str, Any]]:
    """One map for each region (or for `city` alone) and zone: disputed samples crossed; with `code` only that class."""
    rows = run.rows.exclude(sample__cell="")
    rows = rows if city is None else rows.filter(_lies_in(city))
    rows = rows.filter(code=code) if code else rows
    squares: dict[tuple[str, str], list[Square]] = defaultdict(list)
    columns = ("sample__region__name", "sample__cell", "code", "agreement", "status", "sample__key")
    for region, text, label, agreement, status, key in rows.values_list(*columns):
        cell = parse_cell(text)
        square = Square(
            column=cell.column,
            row=cell.row,
            code=label,
            strength=agreement,
            words=f"{key}: {label} {scheme.find(label).name}, {agreement:.0%}",
            is_marked=status == Consensus.Status.DISPUTED,
        )
        squares[region or "", f"EPSG:{cell.epsg}, {cell.size_m} m"].append(square)
    return [_draw_map(scheme, region, grid, found) for (region, grid), found in sorted(squares.items())]


def _draw_map(scheme: Scheme, region: str, grid: str, squares: list[Square]) -> dict[str, Any]:
    shown = squares[:CELLS_SHOWN]
    return {
        "region": region,
        "grid": grid,
        "n": len(squares),
        "shown": len(shown),
        "disputed": sum(square.is_marked for square in squares),
        "mean": sum(square.strength for square in squares) / len(squares),
        "svg": cell_map(scheme, shown, title=_("Agreement in %(region)s") % {"region": region}, largest_px=520),
    }


def _lies_in(city: str) -> Q:
    return Q(sample__region__name=city) if city else Q(sample__region=None)
