"""Which samples train, validate and test: by city, by share, by block with a buffer; and a check that nothing leaks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from fusion.errors import BadInputError, LeakError
from fusion.grid import parse_cell
from fusion.places import EARTH_RADIUS_M, on_sphere

SPLITS = ("train", "validation", "test")
UNUSED = ""
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
OVERLAP_TOLERANCE = 0.02  # of a patch's edge: rounding and the turn of UTM against north are no overlap
NAMED_AT_MOST = 10

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def by_city(cities: Sequence[str], *, test: Collection[str], validation: Collection[str] = ()) -> list[str]:
    """The split of every sample from its city: the held-out cities are named, all others train."""
    known, both = set(cities), set(test) & set(validation)
    if both:
        raise BadInputError(f"{', '.join(sorted(both))} cannot be in test and in validation.")
    if missing := (set(test) | set(validation)) - known:
        raise BadInputError(f"No sample lies in {', '.join(sorted(missing))}. Cities: {', '.join(sorted(known))}.")
    if "" in known or None in known:
        raise BadInputError("A sample names no city, so it cannot be split by city. Give it one or leave it out.")
    held = {**dict.fromkeys(test, "test"), **dict.fromkeys(validation, "validation")}
    return [held.get(city, "train") for city in cities]


def by_share(
    groups: Sequence[str],
    labels: Sequence[str],
    *,
    shares: Mapping[str, float] = SHARES,
    seed: int = 0,
) -> list[str]:
    """Whole groups dealt to splits so that each split comes near its share of every label.

    Groups are dealt largest first, equals in seeded order, each to the split that lacks most of what the group holds.
    """
    _check_shares(shares)
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    codes, label = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    if len(group) != len(label) or not len(group):
        raise BadInputError(f"There are {len(group)} groups for {len(label)} labels; give one of each per sample.")
    counts = np.zeros((len(names), len(codes)))
    np.add.at(counts, (group, label), 1)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    splits = [split for split in SPLITS if shares.get(split, 0) > 0]
    lacking = np.array([shares[split] for split in splits])[:, None] * counts.sum(axis=0)
    chosen = np.empty(len(names), dtype=np.int64)
    weight = 1 / counts.sum(axis=0) ** 2  # lacking and held both as shares of a label: a rare one weighs as much
    for index in order:
        chosen[index] = np.argmax((lacking * counts[index] * weight).sum(axis=1))
        lacking[chosen[index]] -= counts[index]
    return [splits[place] for place in chosen[group]]


def _check_shares(shares: Mapping[str, float]) -> None:
    if set(shares) - set(SPLITS) or abs(sum(shares.values()) - 1) > 1e-6 or min(shares.values()) < 0:
        raise BadInputError(f"Shares must be of {', '.join(SPLITS)}, not negative, and sum to 1; got {dict(shares)}.")


@dataclass(frozen=True, kw_only=True)
class BlockSplit:
    """The split and the block id of every sample; '' where the buffer takes a sample out."""

    splits: list[str]
    blocks: list[str]

    @property
    def buffered(self) -> int:
        """How many samples the buffer took out."""
        return self.splits.count(UNUSED)


def by_block(
    x_m: npt.ArrayLike,
    y_m: npt.ArrayLike,
    labels: Sequence[str],
    *,
    block_m: float,
    buffer_m: float = 0.0,
    shares: Mapping[str, float] = SHARES,
    seed: int = 0,
) -> BlockSplit:
    """Square blocks of `block_m` metres dealt to splits by share; centres `x_m`, `y_m` [n] in one projected CRS.

    Test keeps all its samples; a sample of validation nearer than `buffer_m` (centre to centre) to a test sample is
    left out, and one of train nearer to either.
    """
    points = np.column_stack([np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64)])
    if not np.isfinite(points).all() or block_m <= 0 or buffer_m < 0:
        raise BadInputError("Blocks need finite centres, a size above 0 m and a buffer of 0 m or more.")
    blocks = [f"{int(column)}_{int(row)}" for column, row in np.floor(points / block_m)]
    splits = np.array(by_share(blocks, labels, shares=shares, seed=seed), dtype=object)
    for split, others in (("validation", ("test",)), ("train", ("test", "validation"))):
        near = _is_near(points, np.isin(splits, others), buffer_m)
        splits[(splits == split) & near] = UNUSED
    return BlockSplit(splits=splits.tolist(), blocks=blocks)


def _is_near(points: FloatArray, others: npt.NDArray[np.bool_], distance_m: float) -> npt.NDArray[np.bool_]:
    """Which points are nearer than `distance_m` to any of the others."""
    if not others.any() or distance_m == 0:
        return np.zeros(len(points), dtype=bool)
    return np.asarray(cKDTree(points[others]).query(points)[0] < distance_m)


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
    straddling: int
    straddling_groups: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return asdict(self)


def check_leaks(
    ids: Sequence[str],
    splits: Sequence[str],
    *,
    lonlat: npt.ArrayLike,
    size_m: npt.ArrayLike,
    groups: Sequence[str | None] | None = None,
    minimum_gap_m: float = 0.0,
) -> LeakReport:
    """Compare patches of different splits: overlapping ground, gaps below `minimum_gap_m`, groups in two splits.

    `lonlat` [n, 2] are centres in degrees, NaN for a sample without a place; `size_m` the edge of the square patches,
    one for all or [n]. A group is a scene, a street, a parent area; '' or None is no group. Unused samples do not
    count. LeakError names the two ids, or the group, where any of the three is found.
    """
    split = np.asarray(splits, dtype=object)
    centres = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    edges = np.broadcast_to(np.asarray(size_m, dtype=np.float64), (len(split),))
    if not len(ids) == len(split) == len(centres) or (groups is not None and len(groups) != len(split)):
        raise BadInputError("A leak check needs one id, split, centre (and group) per sample.")
    used, placed = split != UNUSED, np.isfinite(centres).all(axis=1)
    first, second, gap = _list_near_pairs(centres, edges, split, used & placed, minimum_gap_m)
    nearest = int(np.argmin(gap)) if len(gap) else None
    overlap = np.flatnonzero(gap < -OVERLAP_TOLERANCE * np.minimum(edges[first], edges[second]))
    crossing = _list_straddling(split, groups)
    report = LeakReport(
        samples=int(used.sum()),
        unplaced=int((used & ~placed).sum()),
        minimum_gap_m=minimum_gap_m,
        nearest_gap_m=None if nearest is None else max(0.0, float(gap[nearest])),
        nearest_pair=None if nearest is None else (str(ids[first[nearest]]), str(ids[second[nearest]])),
        overlaps=len(overlap),
        overlapping_pairs=tuple((str(ids[first[i]]), str(ids[second[i]])) for i in overlap[:NAMED_AT_MOST]),
        too_near=int((np.maximum(gap, 0) < minimum_gap_m - 1e-6).sum()),
        straddling=len(crossing),
        straddling_groups=tuple(crossing[:NAMED_AT_MOST]),
    )
    _refuse_leaks(report)
    return report


def _refuse_leaks(report: LeakReport) -> None:
    if report.overlaps:
        a, b = report.overlapping_pairs[0]
        raise LeakError(
            f"{report.overlaps} pairs of patches in different splits share ground, first {a} and {b}. "
            "Put both into one split, or leave one out."
        )
    if report.too_near and report.nearest_pair:
        a, b = report.nearest_pair
        raise LeakError(
            f"{report.too_near} pairs of patches in different splits are nearer than {report.minimum_gap_m:g} m; "
            f"nearest are {a} and {b}, {report.nearest_gap_m:.0f} m apart. Widen the buffer, or leave one out."
        )
    if report.straddling:
        raise LeakError(
            f"{report.straddling} groups lie in more than one split, first {report.straddling_groups[0]!r}. "
            "Keep a group together."
        )


def _list_straddling(split: npt.NDArray[Any], groups: Sequence[str | None] | None) -> list[str]:
    seen: dict[str, set[str]] = {}
    for group, name in zip(groups or (), split, strict=False):
        if group and name != UNUSED:
            seen.setdefault(group, set()).add(name)
    return sorted(group for group, names in seen.items() if len(names) > 1)


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
