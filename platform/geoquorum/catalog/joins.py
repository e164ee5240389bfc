"""How patches of a region are joined with each kind of thing that lies there: samples, stations, shapes, rasters."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from fusion.errors import BadInputError, GeoquorumError
from fusion.grid import parse_cell
from fusion.link import Links, Things, join_nearest, measure_pairs
from fusion.places import transformer_to_lonlat
from fusion.sources.stations import read_series
from fusion.sources.vectors import read_layer
from fusion.sources.vectors.buildings import read_buildings
from fusion.squares import MOST_WITHIN_M, Layer, Squares, cover_squares, join_points
from geoquorum.catalog.bounds import outline
from geoquorum.catalog.models import Asset, Link, Region, Sample
from geoquorum.catalog.services import HEIGHTS
from geoquorum.copying import copy_out

PATCHES_AT_ONCE = 20_000
MOST_STATION_M = 500_000.0
DAY_S = 86_400.0
VECTORS = ("vector", "osm_features", "osm")
FRAMED = {"array": Link.Kind.MAP, "population": Link.Kind.MAP, "video": Link.Kind.VIDEO} | dict.fromkeys(
    (*HEIGHTS, "lidar"), Link.Kind.HEIGHTS
)
SEEN = {"photo": (Sample.Kind.STREET_VIEW, Sample.Kind.PHOTO), "post": (Sample.Kind.POST,)}
COLUMNS = {
    "region_id": pa.int64(), "sample_id": pa.int64(), "other_id": pa.int64(), "asset_id": pa.int64(),
    "kind": pa.string(), "name": pa.string(), "distance_m": pa.float64(), "lag_s": pa.float64(),
    "off_axis_deg": pa.float64(), "share": pa.float64(), "count": pa.int64(),
}  # fmt: skip
DIGITS = {"distance_m": 3, "lag_s": 3, "off_axis_deg": 3, "share": 6}  # more is rounding, other on other machines
PATCHES = """
SELECT id, cell, epsg, transform[1], transform[3], transform[6], width_px,
    extract(epoch FROM captured_from), extract(epoch FROM captured_to)
FROM catalog_sample
WHERE region_id = %(region)s AND kind = 'patch' AND id > %(after)s
    AND (cell <> '' OR (epsg IS NOT NULL AND transform IS NOT NULL AND width_px IS NOT NULL))
ORDER BY id LIMIT %(most)s
"""
PATCH_TYPES = {
    "id": pa.int64(), "cell": pa.string(), "epsg": pa.int64(), "step": pa.float64(), "west": pa.float64(),
    "north": pa.float64(), "width_px": pa.float64(), "since": pa.float64(), "until": pa.float64(),
}  # fmt: skip
THINGS = """
SELECT id, longitude, latitude, heading_deg, field_of_view_deg,
    extract(epoch FROM captured_from), extract(epoch FROM captured_to)
FROM catalog_sample
WHERE region_id = %(region)s AND kind = ANY(%(kinds)s) AND longitude IS NOT NULL
ORDER BY id
"""
THING_TYPES = {
    "id": pa.int64(), "longitude": pa.float64(), "latitude": pa.float64(), "heading": pa.float64(),
    "view": pa.float64(), "since": pa.float64(), "until": pa.float64(),
}  # fmt: skip

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far and how late things may be and still belong to a patch.

    Photos and posts lie on a patch or at most `within_m` beside it, or look at it from there; of each file the nearest
    station counts, at most `station_m` from the patch's centre. With `window_days` photos, posts and stations are that
    much earlier or later than what the patch shows at most; without it any time will do, and the lag is kept.
    """

    within_m: float = 100.0
    station_m: float = 25_000.0
    window_days: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.within_m <= MOST_WITHIN_M:
            raise BadInputError(f"Photos and posts are linked within 0 to {MOST_WITHIN_M:g} m; got {self.within_m:g}.")
        if not 0 < self.station_m <= MOST_STATION_M:
            raise BadInputError(f"Stations are linked within {MOST_STATION_M / 1000:g} km; got {self.station_m:g} m.")
        if self.window_days is not None and not self.window_days >= 0:
            raise BadInputError(f"The window of time is 0 days or more; got {self.window_days:g}.")

    @property
    def window_s(self) -> tuple[float, float] | None:
        return None if self.window_days is None else (-self.window_days * DAY_S, self.window_days * DAY_S)


@dataclass(frozen=True, kw_only=True)
class Patches:
    """A piece of a region's patches: the numbers of their rows, and their ground."""

    ids: Ints
    squares: Squares


Join = Callable[[Patches], pa.Table]


def list_joins(region: Region, reach: Reach) -> tuple[list[Join], list[str]]:
    """Everything of the region that patches can be joined with, and what of it cannot be read."""
    joins: list[Join] = []
    troubles: list[str] = []
    for kind, kinds in SEEN.items():
        ids, things = _read_things(region, kinds)
        if len(ids):
            joins.append(_join_things(kind, ids, things, reach))
    own = Asset.objects.filter(region=region)
    of_scenes = Asset.objects.filter(scene__region=region, modality__in=[*HEIGHTS, "population"])
    for asset in [*own.order_by("pk"), *of_scenes.order_by("pk")]:
        try:
            join = _find_join(asset, reach)
        except (GeoquorumError, OSError) as error:
            troubles.append(str(error))
            continue
        if join is not None:
            joins.append(join)
    return joins, troubles


def _find_join(asset: Asset, reach: Reach) -> Join | None:
    if asset.modality == "weather_station":
        return _join_stations(asset, reach)
    if asset.modality in VECTORS:
        kind, shapes = _read_shapes(asset)
        return _join_cover(asset, kind, shapes, is_counted=True) if len(shapes) else None
    if asset.modality in FRAMED and asset.west is not None:
        return _join_cover(asset, FRAMED[asset.modality], _draw_frame(asset), is_counted=False)
    return None


def _join_things(kind: str, ids: Ints, things: Things, reach: Reach) -> Join:
    def join(piece: Patches) -> pa.Table:
        links = join_points(piece.squares, things, within_m=reach.within_m, window_s=reach.window_s)
        return _tabulate(piece, links, kind, other_id=ids[links.right])

    return join


def _join_stations(asset: Asset, reach: Reach) -> Join:
    """The nearest station of a file; a file that does not say its places stands for its whole region."""
    names, places = _read_places(asset)
    since, until = _times([_stamp(asset.captured_from)]), _times([_stamp(asset.captured_to)])
    if not names:
        return _join_unplaced(asset, since, until, reach)
    stations = Things(ids=names, lonlat=places, time=np.repeat(since, len(names)), until=np.repeat(until, len(names)))

    def join(piece: Patches) -> pa.Table:
        links = join_nearest(piece.squares.centres, stations, within_m=reach.station_m, window_s=reach.window_s)
        names_of = np.asarray([name[:120] for name in names], dtype=object)[links.right]
        return _tabulate(piece, links, Link.Kind.STATION, asset_id=asset.pk, name=names_of)

    return join


def _join_unplaced(asset: Asset, since: Any, until: Any, reach: Reach) -> Join:
    facts = (asset.attributes.get("facts") or [{}])[0]
    station = next(iter(facts.get("stations") or [""]))

    def join(piece: Patches) -> pa.Table:
        centres = piece.squares.centres
        middle = replace(centres, time=np.repeat(since, len(centres.ids)), until=np.repeat(until, len(centres.ids)))
        links = _pair_same(centres, middle, reach)
        table = _tabulate(piece, links, Link.Kind.STATION, asset_id=asset.pk, name=station[:120])
        return table.set_column(
            table.column_names.index("distance_m"), "distance_m", pa.nulls(len(table), pa.float64())
        )

    return join


def _pair_same(one: Things, two: Things, reach: Reach) -> Links:
    """Each with its own twin, for the lag alone."""
    rows = np.arange(len(one.ids), dtype=np.int64)
    return measure_pairs(one, two, rows, rows, window_s=reach.window_s)


def _join_cover(asset: Asset, kind: str, shapes: Sequence[shapely.Geometry], *, is_counted: bool) -> Join:
    layer = Layer(shapes=np.array(list(shapes), dtype=object))
    moments = {"time": _times([_stamp(asset.captured_from)]), "until": _times([_stamp(asset.captured_to)])}

    def join(piece: Patches) -> pa.Table:
        cover = cover_squares(piece.squares, layer)
        rows = np.flatnonzero(cover.count)
        centres = piece.squares.centres
        twins = replace(centres, **{name: np.repeat(moment, len(centres.ids)) for name, moment in moments.items()})
        links = measure_pairs(centres, twins, rows, rows)
        links = replace(links, distance_m=cover.distance_m[links.left], share=cover.share[links.left])
        count = cover.count[links.left] if is_counted else None
        return _tabulate(piece, links, kind, asset_id=asset.pk, count=count)

    return join


def _tabulate(
    piece: Patches, links: Links, kind: str, *, other_id: Any = None, asset_id: Any = None, name: Any = "",
    count: Any = None,
) -> pa.Table:  # fmt: skip
    """Rows of Link for links whose left are patches of the piece."""
    given = {"other_id": other_id, "asset_id": asset_id, "kind": str(kind), "name": name, "count": count}
    columns: dict[str, Any] = {"sample_id": pa.array(piece.ids[links.left])}
    for key, value in given.items():
        is_one = value is None or isinstance(value, str | int)
        columns[key] = (
            pa.repeat(pa.scalar(value, COLUMNS[key]), len(links)) if is_one else pa.array(value, COLUMNS[key])
        )
    for key, digits in DIGITS.items():
        columns[key] = pa.array(np.round(getattr(links, key), digits), from_pandas=True)
    return pa.table(columns)


def read_patches(region: Region) -> Iterator[Patches]:
    """The region's patches that have a place, by their number, in pieces."""
    after = 0
    while True:
        rows = copy_out(PATCHES, {"region": region.pk, "after": after, "most": PATCHES_AT_ONCE}, PATCH_TYPES)
        if not rows.num_rows:
            return
        ids = rows["id"].to_numpy()
        after = int(ids[-1])
        yield Patches(ids=ids, squares=_lay_out(rows))


def _lay_out(rows: pa.Table) -> Squares:
    """The ground of patches: their grid cell's, else that of their own transform."""
    cells = [parse_cell(cell) if cell else None for cell in rows["cell"].to_pylist()]
    epsg, step, west, north, width = (_numbers(rows, key) for key in ("epsg", "step", "west", "north", "width_px"))
    places = np.column_stack([epsg, west, north - step * width, step * width])
    for row, cell in enumerate(cells):
        if cell is not None:
            places[row] = (cell.epsg, *cell.bounds[:2], cell.size_m)
    code, west, south, size_m = places.T
    times = {"time": _times(_numbers(rows, "since")), "until": _times(_numbers(rows, "until"))}
    return Squares(epsg=code.astype(np.int64), west=west, south=south, size_m=size_m, **times)


def _read_things(region: Region, kinds: Sequence[str]) -> tuple[Ints, Things]:
    rows = copy_out(THINGS, {"region": region.pk, "kinds": [str(kind) for kind in kinds]}, THING_TYPES)
    ids = rows["id"].to_numpy()
    things = Things(
        ids=ids.astype(str),  # type: ignore[arg-type]
        lonlat=np.column_stack([_numbers(rows, "longitude"), _numbers(rows, "latitude")]),
        time=_times(_numbers(rows, "since")),
        until=_times(_numbers(rows, "until")),
        heading_deg=_numbers(rows, "heading"),
        field_of_view_deg=_numbers(rows, "view"),
    )
    return ids, things


def _read_places(asset: Asset) -> tuple[list[str], Floats]:
    """Names and degrees of the stations of a file; those of a long list are read again from the file."""
    facts = (asset.attributes.get("facts") or [{}])[0]
    places = facts.get("places") or {}
    if facts.get("places_count", 0) > len(places):
        places = dict(read_series(Path(asset.uri)).info.places)
    return list(places), np.array(list(places.values()), np.float64).reshape(-1, 2)


def _read_shapes(asset: Asset) -> tuple[str, Sequence[shapely.Geometry]]:
    """The polygons of a file in degrees: of OpenStreetMap its buildings, of others those of every layer."""
    path, facts = Path(asset.uri), asset.attributes.get("facts") or []
    if not path.exists():
        raise BadInputError(f"{path.name} is gone from where it lay; ingest it again.")
    stated = (
        asset.epsg if any("as stated by the caller" in note for note in asset.attributes.get("notes", ())) else None
    )
    if asset.driver == "OSM":
        return Link.Kind.FOOTPRINTS, [one.footprint for one in read_buildings(path, epsg=stated)]
    layers = [one["layer"] for one in facts if any("Polygon" in kind for kind in one.get("geometry_types", {}))]
    found = [shape for layer in layers for shape in read_layer(path, layer, epsg=stated).to_lonlat()]
    areas = [part for part in shapely.get_parts(found) if part.geom_type == "Polygon"]
    return (Link.Kind.FOOTPRINTS if _has_buildings(asset, facts) else Link.Kind.SHAPES), areas


def _has_buildings(asset: Asset, facts: Sequence[dict[str, Any]]) -> bool:
    """Whether the shapes of a file are buildings: its name, a layer's or a column's says so."""
    names = [Path(asset.uri).stem, *(facts_of.get("layer", "") for facts_of in facts)]
    names += [name for one in facts for name in one.get("fields", ())]
    return any(word in name.lower() for name in names for word in ("building", "byggnad", "footprint"))


def _draw_frame(asset: Asset) -> list[shapely.Geometry]:
    """The ground of a raster in degrees by its transform; of what has none, by its bounds."""
    if asset.transform is None or asset.epsg is None or not asset.width or not asset.height:
        return [outline((asset.west, asset.south, asset.east, asset.north))]
    a, b, c, d, e, f = asset.transform
    corners = [(0, 0), (asset.width, 0), (asset.width, asset.height), (0, asset.height)]
    ring = shapely.Polygon([(c + a * column + b * row, f + d * column + e * row) for column, row in corners])
    longest = max(asset.width * abs(a), asset.height * abs(e)) / 16
    to_degrees = transformer_to_lonlat(asset.epsg).transform
    return [shapely.transform(shapely.segmentize(ring, longest), to_degrees, interleaved=False)]


def _numbers(rows: pa.Table, name: str) -> Floats:
    return np.asarray(rows[name].to_numpy(zero_copy_only=False), np.float64)


def _stamp(moment: Any) -> float:
    return np.nan if moment is None else moment.timestamp()


def _times(seconds: Sequence[float] | Floats) -> npt.NDArray[np.datetime64]:
    """Seconds since 1970 as moments, NaT for NaN."""
    given = np.asarray(seconds, np.float64)
    micro = np.where(np.isfinite(given), np.nan_to_num(given) * 1e6, 0).round().astype("datetime64[us]")
    return np.where(np.isfinite(given), micro, np.datetime64("NaT", "us"))
