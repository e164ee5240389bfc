"""Which samples train, validate and test: by city, by share, by block with a buffer, and So2Sat's three designs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from fusion.errors import BadInputError
from fusion.places import on_sphere
from fusion.sample import SPLITS

UNUSED = ""
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}

FloatArray = npt.NDArray[np.float64]


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
    groups: Sequence[str] | None = None,
) -> BlockSplit:
    """Square blocks of `block_m` metres dealt to splits by share; centres `x_m`, `y_m` [n] in one projected CRS.

    Samples of one of `groups` ('' for none) lie in the block under their middle, so that no group is parted.

    Test keeps all its samples; a sample of validation nearer than `buffer_m` (centre to centre) to a test sample is
    left out, and one of train nearer to either.
    """
    points = np.column_stack([np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64)])
    if not np.isfinite(points).all() or block_m <= 0 or buffer_m < 0:
        raise BadInputError("Blocks need finite centres, a size above 0 m and a buffer of 0 m or more.")
    blocks = [f"{int(column)}_{int(row)}" for column, row in np.floor(_gather(points, groups) / block_m)]
    splits = np.array(by_share(blocks, labels, shares=shares, seed=seed), dtype=object)
    for split, others in (("validation", ("test",)), ("train", ("test", "validation"))):
        near = _is_near(points, np.isin(splits, others), buffer_m)
        splits[(splits == split) & near] = UNUSED
    return BlockSplit(splits=splits.tolist(), blocks=blocks)


def _gather(values: FloatArray, groups: Sequence[str] | None) -> FloatArray:
    """Each row, or the mean of its group's rows: what belongs together goes one way."""
    if groups is None:
        return values
    if len(groups) != len(values):
        raise BadInputError(f"There are {len(groups)} groups for {len(values)} samples; give each one, or ''.")
    names, group = np.unique(np.asarray(groups, str), return_inverse=True)
    sums = np.zeros((len(names), *values.shape[1:]))
    np.add.at(sums, group, values)
    means = (sums.T / np.bincount(group)).T[group]
    is_alone = (names == "")[group]
    return np.where(is_alone if values.ndim == 1 else is_alone[:, None], values, means)


def _is_near(points: FloatArray, others: npt.NDArray[np.bool_], distance_m: float) -> npt.NDArray[np.bool_]:
    """Which points are nearer than `distance_m` to any of the others."""
    if not others.any() or distance_m == 0:
        return np.zeros(len(points), dtype=bool)
    return np.asarray(cKDTree(points[others]).query(points)[0] < distance_m)


def random_in_cities(cities: Sequence[str], labels: Sequence[str], *, test: float = 0.2, seed: int = 0) -> list[str]:
    """So2Sat's random design: `test` of each label of each city, drawn sample by sample, the rest trains.

    Neighbours and overlapping patches fall into both splits, which is why the design flatters a model; `check_leaks`
    says by how much, and refuses it where patches overlap (Zhu et al. 2020, https://doi.org/10.1109/MGRS.2020.2964708).
    """
    _check_part(test)
    rng = np.random.default_rng(seed)
    _names, stratum = np.unique(
        [f"{city}\0{label}" for city, label in zip(cities, labels, strict=True)], return_inverse=True
    )
    order = np.lexsort((rng.random(len(stratum)), stratum))
    sizes = np.bincount(stratum)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    wanted = np.floor(sizes * test + rng.random(len(sizes)))  # a stratum of two gives one in two and a half times
    return np.where(rank < wanted[stratum], "test", "train").tolist()


def block_in_cities(
    cities: Sequence[str],
    lonlat: npt.ArrayLike,
    *,
    test: float = 0.2,
    buffer_m: float = 0.0,
    groups: Sequence[str] | None = None,
) -> list[str]:
    """So2Sat's block design: the easternmost `test` of each city's samples, cut by a meridian; the rest trains.

    The source says 80 and 20 % of each city's ground without saying where the cut runs; east is our choice. Samples
    that train nearer than `buffer_m` (centre to centre) to a test sample are left out. Samples of one of `groups`
    ('' for none) go where their middle lies, so that the cut parts no group.
    """
    _check_part(test)
    points = np.asarray(lonlat, np.float64).reshape(-1, 2)
    splits = np.full(len(points), "train", dtype=object)
    for name, east in _find_eastings(cities, points, groups):
        splits[name[east > np.quantile(east, 1 - test)]] = "test"
    return _leave_out(splits, points, "train", "test", buffer_m)


def by_culture_zone(
    cities: Sequence[str],
    lonlat: npt.ArrayLike,
    *,
    held: Collection[str],
    buffer_m: float = 0.0,
    groups: Sequence[str] | None = None,
) -> list[str]:
    """So2Sat's culture-10 design: whole cities are held out, their western half to validate and their eastern to test.

    Validation samples nearer than `buffer_m` to a test sample are left out. `hold_one_per_zone` chooses the cities.
    `groups` as in `block_in_cities`.
    """
    splits = np.array(by_city(cities, test=held), dtype=object)
    points = np.asarray(lonlat, np.float64).reshape(-1, 2)
    for name, east in _find_eastings(cities, points, groups):
        if cities[name[0]] in held:
            splits[name[east <= np.median(east)]] = "validation"
    return _leave_out(splits, points, "validation", "test", buffer_m)


def hold_one_per_zone(cities: Sequence[str], zones: Sequence[str], *, seed: int = 0) -> list[str]:
    """One city of each culture zone, drawn; refused where a zone has one city only, of which none would train."""
    known = sorted(set(zip(zones, cities, strict=True)))
    rng = np.random.default_rng(seed)
    held = []
    for zone in sorted(set(zones)):
        own = [city for each, city in known if each == zone]
        if not zone or len(own) < 2:
            raise BadInputError(
                f"Culture zone {zone!r} has {len(own)} city; holding it out leaves none of its kind to learn from. "
                "Name the cities to hold out yourself."
            )
        held.append(own[int(rng.integers(len(own)))])
    return held


def _find_eastings(
    cities: Sequence[str], points: FloatArray, groups: Sequence[str] | None = None
) -> list[tuple[npt.NDArray[np.int64], FloatArray]]:
    """Rows of each city and how many degrees east each lies of the city's first, over the antimeridian too."""
    if len(cities) != len(points) or not np.isfinite(points).all():
        raise BadInputError("A cut through cities needs one city and one place per sample; some have none.")
    names, city = np.unique(np.asarray(cities, str), return_inverse=True)
    rows = [np.flatnonzero(city == number) for number in range(len(names))]
    east = [(points[own, 0] - points[own[0], 0] + 180) % 360 - 180 for own in rows]
    named = [None if groups is None else [groups[row] for row in own.tolist()] for own in rows]
    return [(own, _gather(each, group)) for own, each, group in zip(rows, east, named, strict=True)]


def _leave_out(
    splits: npt.NDArray[np.object_], points: FloatArray, split: str, other: str, buffer_m: float
) -> list[str]:
    near = _is_near(on_sphere(points), splits == other, buffer_m)
    splits[(splits == split) & near] = UNUSED
    return splits.tolist()


def _check_part(test: float) -> None:
    if not 0 < test < 1:
        raise BadInputError(f"The share to test must lie between 0 and 1; got {test:g}.")
