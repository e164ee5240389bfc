"""Bounds in degrees (west, south, east, north), also across the antimeridian: there west is greater than east."""

from collections.abc import Sequence

from shapely import MultiPolygon, Polygon, box

from fusion.source import Bounds


def join_bounds(parts: Sequence[Bounds]) -> Bounds:
    """The smallest bounds that hold all parts, each taken on the side of the Earth where the first one lies."""
    first = parts[0][0]
    unrolled = [_unroll(west, east, first) for west, _south, east, _north in parts]
    west, east = min(part[0] for part in unrolled), max(part[1] for part in unrolled)
    south, north = min(part[1] for part in parts), max(part[3] for part in parts)
    return (-180.0, south, 180.0, north) if east - west >= 360 else (_wrap(west), south, _wrap(east), north)


def find_centre(bounds: Bounds) -> tuple[float, float]:
    """Longitude and latitude of the middle."""
    west, south, east, north = bounds
    return _wrap((west + east + (360 if east < west else 0)) / 2), (south + north) / 2


def outline(bounds: Bounds) -> Polygon | MultiPolygon:
    """The bounds as a shape, in two parts where they cross the antimeridian."""
    west, south, east, north = bounds
    if west <= east:
        return box(west, south, east, north)
    return MultiPolygon([box(west, south, 180, north), box(-180, south, east, north)])


def _unroll(west: float, east: float, near: float) -> tuple[float, float]:
    """West and east without the jump at 180 degrees, moved by whole turns to lie near a longitude."""
    turn = round((near - west) / 360) * 360
    return west + turn, east + turn + (360 if east < west else 0)


def _wrap(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180
