"""The join in space and time: which photos, posts, stations and footprints belong to which patches, how far, how late.

Patches and what lies about them meet in three ways: in the same cell of the grid, within a distance, or by shared
ground (fusion.squares). Each link keeps its distance in metres and its lag in seconds, so that a use may ask for nearer
or sooner later.
Distances and bearings are geodesics on WGS 84 (Karney 2013, https://doi.org/10.1007/s00190-012-0578-z).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyproj import Geod
from scipy.spatial import cKDTree

from fusion.errors import BadInputError
from fusion.grid import name_cells, parse_cell
from fusion.places import EARTH_RADIUS_M, on_sphere

WGS84 = Geod(ellps="WGS84")
SPHERE_SLACK = 1.01  # a sphere's distances are wrong by up to 0.6 %
HALF_TURN_M = np.pi * EARTH_RADIUS_M
MOST_LINKS = 20_000_000  # a gigabyte of links
NEAREST_ASKED = 3  # on the sphere, of which the ellipsoid's nearest is taken

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Things:
    """Points in space and time: centres of patches, photos, posts, stations.

    `lonlat` [n, 2] degrees, NaN where the place is unknown; `time` [n] UTC, NaT where unknown; `until` [n] ends what
    lasts, NaT or left out for a moment; `heading_deg` [n] clockwise from north and `field_of_view_deg` [n], NaN for
    what looks nowhere.
    """

    ids: Sequence[str]
    lonlat: Floats
    time: Times | None = None
    until: Times | None = None
    heading_deg: Floats | None = None
    field_of_view_deg: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("lonlat", "time", "until", "heading_deg", "field_of_view_deg"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.ids):
                raise BadInputError(f"There are {len(given)} of {name} for {len(self.ids)} ids; give one each.")
        known = self.lonlat[self.is_placed]
        if (np.abs(known) > (180, 90)).any():
            worst = int(np.flatnonzero(self.is_placed)[np.argmax((np.abs(known) > (180, 90)).any(axis=1))])
            raise BadInputError(f"{self.ids[worst]} lies at {self.lonlat[worst].tolist()}, which is no place on Earth.")

    @classmethod
    def of_cells(cls, cells: Sequence[str], time: Times | None = None) -> Self:
        """The centres of grid cells by their ids."""
        centres = np.array([parse_cell(cell).centre_lonlat for cell in cells], np.float64).reshape(-1, 2)
        return cls(ids=cells, lonlat=centres, time=time)

    @property
    def is_placed(self) -> npt.NDArray[np.bool_]:
        """Whether the place is known [n]."""
        return np.asarray(np.isfinite(self.lonlat).all(axis=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Links:
    """Pairs of rows, ordered by `left`, then by distance, lag and `right`.

    `distance_m` [m] metres; `lag_s` [m] seconds from left to right, 0 where they last at the same time, NaN where
    a time is unknown; `off_axis_deg` [m] how far left lies from the middle of what right looks at, 0..180, NaN for what
    looks nowhere; `share` [m] of left's ground that right covers, 0..1, NaN for points.
    """

    left: Ints
    right: Ints
    distance_m: Floats
    lag_s: Floats
    off_axis_deg: Floats
    share: Floats

    def __len__(self) -> int:
        return len(self.left)

    def presence(self, count: int) -> npt.NDArray[np.bool_]:
        """Which of `count` rows on the left have a link [count]."""
        return np.bincount(self.left, minlength=count) > 0

    def nearest(self, most: int = 1) -> "Links":
        """At most the `most` first links of each row on the left."""
        start = np.searchsorted(self.left, self.left)
        return self._keep(np.arange(len(self)) - start < most)

    def tabulate(self, left_ids: Sequence[str], right_ids: Sequence[str]) -> pa.Table:
        """The links by id, with what is unknown as null."""
        numbers = {
            name: pa.array(getattr(self, name), from_pandas=True)
            for name in ("distance_m", "lag_s", "off_axis_deg", "share")
        }
        ids = {"left": (left_ids, self.left), "right": (right_ids, self.right)}
        return pa.table({name: pa.array(list(of)).take(pa.array(rows)) for name, (of, rows) in ids.items()} | numbers)

    def _keep(self, rows: npt.NDArray[np.generic]) -> "Links":
        return Links(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def join_cells(cells: Sequence[str], right: Things, *, window_s: tuple[float, float] | None = None) -> Links:
    """Links from grid cells, all of one size, to the things whose point lies in them; distance from the centre.

    `window_s` as in `join_near`, of which cells without a time know nothing.
    """
    sizes = {parse_cell(cell).size_m for cell in cells}
    if len(sizes) != 1:
        raise BadInputError(f"Cells must be of one size to be joined; here are {sorted(sizes)} m.")
    if len(set(cells)) != len(cells):
        raise BadInputError("A cell is named twice; join each once.")
    placed = np.flatnonzero(right.is_placed)
    own = name_cells(right.lonlat[placed, 0], right.lonlat[placed, 1], sizes.pop()).astype(str)
    names = np.asarray(cells, str)
    order = np.argsort(names)
    place = np.minimum(np.searchsorted(names, own, sorter=order), len(names) - 1)
    left = order[place]
    inside = names[left] == own
    return measure_pairs(Things.of_cells(cells), right, left[inside], placed[inside], window_s=window_s)


def join_near(
    left: Things,
    right: Things,
    *,
    within_m: float,
    window_s: tuple[float, float] | None = None,
    facing: bool = False,
    most: int | None = None,
) -> Links:
    """Links between things at most `within_m` apart, and by choice in time, in view, and only the nearest.

    `window_s` (earliest, latest) bounds the lag of right after left; pairs without both times are left out then.
    `facing` keeps what right looks at: left within its field of view. `most` per row of left, nearest first.
    """
    _check_distance(within_m)
    rows = [np.flatnonzero(things.is_placed) for things in (left, right)]
    trees = [cKDTree(on_sphere(things.lonlat[at])) for things, at in zip((left, right), rows, strict=True)]
    angle = min(within_m * SPHERE_SLACK / EARTH_RADIUS_M, np.pi)
    chord = 2 * EARTH_RADIUS_M * np.sin(angle / 2) + 1e-3
    if (count := int(trees[0].count_neighbors(trees[1], chord))) > MOST_LINKS:
        raise BadInputError(
            f"{count} pairs lie within {within_m:g} m; at most {MOST_LINKS} are joined. Join fewer or nearer things."
        )
    near = trees[0].sparse_distance_matrix(trees[1], chord, output_type="ndarray")
    one, two = rows[0][near["i"]], rows[1][near["j"]]
    links = measure_pairs(left, right, one, two, window_s=window_s, within_m=within_m, facing=facing)
    return links if most is None else links.nearest(most)


def join_nearest(left: Things, right: Things, *, within_m: float, window_s: tuple[float, float] | None = None) -> Links:
    """The nearest thing to each of left, where it is at most `within_m` away and within the window of time."""
    _check_distance(within_m)
    rows = [np.flatnonzero(things.is_placed) for things in (left, right)]
    if not min(map(len, rows)):
        return measure_pairs(left, right, *np.empty((2, 0), np.int64))
    tree = cKDTree(on_sphere(right.lonlat[rows[1]]))
    asked = min(NEAREST_ASKED, len(rows[1]))
    _chords, found = tree.query(on_sphere(left.lonlat[rows[0]]), k=list(range(1, asked + 1)))
    links = measure_pairs(
        left, right, np.repeat(rows[0], asked), rows[1][found.ravel()], window_s=window_s, within_m=within_m
    )
    return links.nearest()


def _check_distance(within_m: float) -> None:
    if not 0 < within_m <= HALF_TURN_M:
        raise BadInputError(f"Things are joined within more than 0 m and less than half the Earth; got {within_m:g} m.")


def measure_pairs(
    left: Things,
    right: Things,
    one: Ints,
    two: Ints,
    *,
    window_s: tuple[float, float] | None = None,
    within_m: float = np.inf,
    facing: bool = False,
    share: Floats | None = None,
) -> Links:
    """Links of the pairs (rows `one` of left, `two` of right) that hold to the bounds, with distance, lag and angle."""
    from_right, _back, distance = WGS84.inv(*right.lonlat[two].T, *left.lonlat[one].T)
    lag, off = _lag(left, right, one, two), _off_axis(right, two, np.asarray(from_right, np.float64))
    kept = np.asarray(distance) <= within_m
    if window_s is not None:
        kept &= (lag >= window_s[0]) & (lag <= window_s[1])  # NaN is in no window
    if facing:
        if right.heading_deg is None or right.field_of_view_deg is None:
            raise BadInputError("Nothing here looks anywhere: give headings and fields of view, or leave out facing.")
        kept &= off <= right.field_of_view_deg[two] / 2
    shared = np.full(len(one), np.nan) if share is None else share
    return arrange_links(one[kept], two[kept], np.asarray(distance)[kept], lag[kept], off[kept], shared[kept])


def _lag(left: Things, right: Things, one: Ints, two: Ints) -> Floats:
    """Seconds from the end of left to the begin of right, negative from its begin back to the end of right, else 0."""
    if left.time is None or right.time is None:
        return np.full(len(one), np.nan)
    late = _seconds_between(_last(left)[one], right.time[two])
    early = _seconds_between(left.time[one], _last(right)[two])
    return np.where(late > 0, late, np.where(early < 0, early, 0.0 * late + 0.0))


def _last(things: Things) -> Times:
    assert things.time is not None
    return things.time if things.until is None else np.where(np.isnat(things.until), things.time, things.until)


def _seconds_between(one: Times, two: Times) -> Floats:
    lag = two.astype("datetime64[us]") - one.astype("datetime64[us]")
    return np.where(np.isnat(lag), np.nan, lag.astype(np.int64) / 1e6)


def _off_axis(right: Things, two: Ints, bearing_deg: Floats) -> Floats:
    if right.heading_deg is None:
        return np.full(len(two), np.nan)
    return np.abs((bearing_deg - right.heading_deg[two] + 180) % 360 - 180)


def arrange_links(left: Ints, right: Ints, distance_m: Floats, lag_s: Floats, off: Floats, share: Floats) -> Links:
    """Links in their order."""
    late = np.nan_to_num(np.abs(lag_s), nan=np.inf)
    order = np.lexsort((right, late, distance_m, left))
    return Links(
        left=left[order],
        right=right[order],
        distance_m=distance_m[order],
        lag_s=lag_s[order],
        off_axis_deg=off[order],
        share=share[order],
    )
