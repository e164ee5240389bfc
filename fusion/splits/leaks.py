"""What splits share: ground, nearness, blocks, scenes, photos and users; a release above the limits is refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from fusion.errors import BadInputError, LeakError
from fusion.grid import parse_cell
from fusion.places import EARTH_RADIUS_M, on_sphere
from fusion.sample import SPLITS
from fusion.splits.designs import UNUSED

OVERLAP_TOLERANCE = 0.02  # of a patch's edge: rounding and the turn of UTM against north are no overlap
NAMED_AT_MOST = 10
UNPAIRED = ("user", "linked_user")  # which samples are of one author is told to nobody
# Share of the samples held out that may lie in a group which trains too. A scene spans a whole city: splits within
# cities share it, and the report says so. What is only linked to a sample is named by a pack and not in it: the report
# says what is shared, and whoever learns from it as well sets these limits to 0.
LIMITS = {
    "block": 0.0,
    "photo": 0.0,
    "user": 0.0,
    "scene": 1.0,
    "linked_photo": 1.0,
    "linked_post": 1.0,
    "linked_user": 1.0,
}

Groups = Mapping[str, Sequence[str | Iterable[str] | None]]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LeakReport:
    """What splits share. Gaps lie between patch edges, in metres; samples without a place are checked by group only."""

    samples: int
    unplaced: int
    minimum_gap_m: float
    nearest_gap_m: float | None
    nearest_pair: tuple[str, str] | None
    overlaps: int
    overlapping_pairs: tuple[tuple[str, str], ...]
    too_near: int
    shared: dict[str, dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return asdict(self)


def check_leaks(
    ids: Sequence[str],
    splits: Sequence[str],
    *,
    lonlat: npt.ArrayLike,
    size_m: npt.ArrayLike,
    groups: Groups | None = None,
    limits: Mapping[str, float] = LIMITS,
    minimum_gap_m: float = 0.0,
) -> LeakReport:
    """Compare patches of different splits: overlapping ground, gaps below `minimum_gap_m`, groups in two splits.

    `lonlat` [n, 2] are centres in degrees, NaN for a sample without a place; `size_m` the edge of the square patches,
    one for all or [n]. `groups` names by kind (block, scene, photo, user, area) what each sample comes from: one name,
    several, or '' or None for nothing. `limits` is the share of held-out samples that may lie in a group of a kind
    that is in another split too; 0 where a kind has none. Unused samples do not count. LeakError names the two ids,
    or the kind and its first group, where a release must not pass.
    """
    split = np.asarray(splits, dtype=object)
    centres = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    edges = np.broadcast_to(np.asarray(size_m, dtype=np.float64), (len(split),))
    lengths = {len(ids), len(split), len(centres), *(len(names) for names in (groups or {}).values())}
    if len(lengths) != 1:
        raise BadInputError("A leak check needs one id, split, centre (and group of each kind) per sample.")
    used, placed = split != UNUSED, np.isfinite(centres).all(axis=1)
    first, second, gap = _list_near_pairs(centres, edges, split, used & placed, minimum_gap_m)
    nearest = int(np.argmin(gap)) if len(gap) else None
    overlap = np.flatnonzero(gap < -OVERLAP_TOLERANCE * np.minimum(edges[first], edges[second]))
    report = LeakReport(
        samples=int(used.sum()),
        unplaced=int((used & ~placed).sum()),
        minimum_gap_m=minimum_gap_m,
        nearest_gap_m=None if nearest is None else max(0.0, float(gap[nearest])),
        nearest_pair=None if nearest is None else (str(ids[first[nearest]]), str(ids[second[nearest]])),
        overlaps=len(overlap),
        overlapping_pairs=tuple((str(ids[first[i]]), str(ids[second[i]])) for i in overlap[:NAMED_AT_MOST]),
        too_near=int((np.maximum(gap, 0) < minimum_gap_m - 1e-6).sum()),
        shared={
            kind: _find_shared(ids, split, names, limits.get(kind, 0.0), has_pairs=kind not in UNPAIRED)
            for kind, names in (groups or {}).items()
        },
    )
    _refuse_leaks(report)
    return report


def _refuse_leaks(report: LeakReport) -> None:
    if report.overlaps:
        a, b = report.overlapping_pairs[0]
        raise LeakError(
            f"{report.overlaps} pairs of patches in different splits share ground, first {a} and {b}. "
            "Put both into one split, or leave one out.",
            report.as_json(),
        )
    if report.too_near and report.nearest_pair:
        a, b = report.nearest_pair
        raise LeakError(
            f"{report.too_near} pairs of patches in different splits are nearer than {report.minimum_gap_m:g} m; "
            f"nearest are {a} and {b}, {report.nearest_gap_m:.0f} m apart. Widen the buffer, or leave one out.",
            report.as_json(),
        )
    for kind, found in report.shared.items():
        if found["share"] > found["limit"]:
            raise LeakError(
                f"{found['groups']} of kind {kind} lie in more than one split, first {found['first'][0]!r}, with "
                f"{found['share']:.1%} of the samples held out; at most {found['limit']:.1%} may. "
                "Keep each together, or raise the limit and say so.",
                report.as_json(),
            )


def _find_shared(
    ids: Sequence[str],
    split: npt.NDArray[Any],
    names: Sequence[str | Iterable[str] | None],
    limit: float,
    *,
    has_pairs: bool,
) -> dict[str, Any]:
    """Groups in several splits, and the share of the held-out samples that lie in any of them.

    `pairs` names of each of the first groups two samples in different splits: [group, id, split, id, split].
    """
    own = [(name,) if isinstance(name, str) else tuple(name or ()) for name in names]
    seen: dict[str, dict[str, int]] = {}  # the first row of each split, by group
    for row, (groups, each) in enumerate(zip(own, split, strict=True)):
        for group in groups if each != UNUSED else ():
            if group:
                seen.setdefault(group, {}).setdefault(each, row)
    crossing = {group for group, rows in seen.items() if len(rows) > 1}
    held = np.flatnonzero((split != UNUSED) & (split != "train")).tolist()
    touched = sum(not crossing.isdisjoint(own[row]) for row in held)
    first = sorted(crossing)[:NAMED_AT_MOST]
    return {
        "groups": len(crossing),
        "share": touched / len(held) if held else 0.0,
        "limit": limit,
        "first": first,
        "pairs": [_pair(group, ids, seen[group]) for group in first] if has_pairs else [],
    }


def _pair(group: str, ids: Sequence[str], rows: Mapping[str, int]) -> list[str]:
    (one, at), (two, other) = sorted(rows.items())[:2]
    return [group, str(ids[at]), one, str(ids[other]), two]


def _list_near_pairs(
    centres: FloatArray, edges: FloatArray, split: npt.NDArray[Any], used: npt.NDArray[np.bool_], minimum_gap_m: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs across splits that may overlap, be too near or be the nearest; the gap of each (negative: overlap)."""
    members = {name: np.flatnonzero(used & (split == name)) for name in SPLITS}
    first, second = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    diagonal = float(edges[used].max()) * np.sqrt(2) if used.any() else 0.0
    for a, b in combinations((name for name in SPLITS if len(members[name])), 2):
        rows_a, rows_b = members[a], members[b]
        tree_a, tree_b = cKDTree(on_sphere(centres[rows_a])), cKDTree(on_sphere(centres[rows_b]))
        nearest = np.asarray(tree_b.query(tree_a.data)[0])
        # the nearest by edges may not be the nearest by centres, but its centres are within one diagonal more
        reach = max(float(nearest.min()) + diagonal, diagonal + minimum_gap_m * np.sqrt(2)) + 1.0
        close = tree_a.sparse_distance_matrix(tree_b, reach, output_type="ndarray")
        first.append(rows_a[close["i"]])
        second.append(rows_b[close["j"]])
    one, two = np.concatenate(first), np.concatenate(second)
    return one, two, _gap(centres[one], centres[two], (edges[one] + edges[two]) / 2)


def _gap(one: FloatArray, two: FloatArray, reach_m: FloatArray) -> FloatArray:
    """Metres between the edges of squares whose half edges sum to `reach_m`; negative by how deep they overlap."""
    turn = (two[:, 0] - one[:, 0] + 180) % 360 - 180
    east = abs(np.radians(turn)) * np.cos(np.radians((one[:, 1] + two[:, 1]) / 2)) * EARTH_RADIUS_M - reach_m
    north = abs(np.radians(two[:, 1] - one[:, 1])) * EARTH_RADIUS_M - reach_m
    apart = np.hypot(np.maximum(east, 0), np.maximum(north, 0))
    return np.where((east < 0) & (north < 0), np.maximum(east, north), apart)


def locate_cells(cells: Sequence[str | None]) -> tuple[FloatArray, FloatArray]:
    """Centres [n, 2] in degrees and edges [n] in metres of grid cells by id; NaN and 0 where there is no cell."""
    centres, edges = np.full((len(cells), 2), np.nan), np.zeros(len(cells))
    for row, text in enumerate(cells):
        if text:
            cell = parse_cell(text)
            centres[row], edges[row] = cell.centre_lonlat, cell.size_m
    return centres, edges
