"""Squares of a region over the ground they lie on: pictures from above, meridians and parallels, scale bar, north."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.utils.safestring import SafeString
from pyproj import CRS, Proj

from fusion.scheme import Scheme
from geoquorum.figures.cells import Square, draw_square
from geoquorum.figures.svg import element, frame, line, text

LEFT_PX, TOP_PX, RIGHT_PX, BOTTOM_PX = 70, 10, 10, 46
SMALLEST_PX, LARGEST_PX = 3.0, 44.0
LEAST_WIDTH_PX = 320  # so that the scale bar and two meridians have room
STEPS_DEG = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
POINTS = 9  # of a meridian or parallel, which is a curve in UTM


@dataclass(frozen=True, kw_only=True)
class Underlay:
    """A picture from above: its address, the column and row of its north-west cell, and its side in cells."""

    url: str
    column: int
    row: int
    side: int


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The rectangle of a map: its west and north edge in metres of `epsg`, its size in metres, pixels for a metre."""

    epsg: int
    west_m: float
    north_m: float
    width_m: float
    height_m: float
    scale: float

    @property
    def width(self) -> float:
        return self.width_m * self.scale

    @property
    def height(self) -> float:
        return self.height_m * self.scale

    def at(self, easting: float, northing: float) -> tuple[float, float]:
        """Pixels from the north-west corner."""
        return (easting - self.west_m) * self.scale, (self.north_m - northing) * self.scale


def ground_map(
    scheme: Scheme,
    squares: Sequence[Square],
    underlays: Sequence[Underlay],
    *,
    epsg: int,
    size_m: int,
    title: str,
    largest_px: float = 640,
) -> SafeString:
    """Cells of `size_m` on the zone `epsg`, one more around them on each side; north is up."""
    left, top = min(one.column for one in squares) - 1, max(one.row for one in squares) + 1
    columns = max(one.column for one in squares) - left + 2
    rows = top - min(one.row for one in squares) + 2
    side = min(LARGEST_PX, max(SMALLEST_PX, largest_px / max(columns, rows)))
    more = max(0, math.ceil((LEAST_WIDTH_PX / side - columns) / 2))
    left, columns = left - more, columns + 2 * more
    ground = Ground(
        epsg=epsg,
        west_m=left * size_m,
        north_m=(top + 1) * size_m,
        width_m=columns * size_m,
        height_m=rows * size_m,
        scale=side / size_m,
    )
    inside = [element("rect", width=ground.width, height=ground.height, class_="ground")]
    inside += [
        element(
            "image",
            href=one.url,
            x=(one.column - left) * side,
            y=(top - one.row) * side,
            width=one.side * side,
            height=one.side * side,
            preserveAspectRatio="none",
            class_="pixelated",
        )
        for one in underlays
    ]
    lines, labels = _draw_graticule(ground)
    for one in squares:
        inside += draw_square(scheme, one, (one.column - left) * side, (top - one.row) * side, side)
    window = element(
        "svg", *inside, *lines, x=LEFT_PX, y=TOP_PX, width=ground.width, height=ground.height, class_="window"
    )
    height = TOP_PX + ground.height + BOTTOM_PX
    parts = [window, *labels, *_draw_scale(ground)]
    return frame(LEFT_PX + ground.width + RIGHT_PX, height, title, parts)


@cache
def _projection(epsg: int) -> Proj:
    """One for each zone: making it takes longer than using it."""
    return Proj(CRS.from_epsg(epsg))


def _draw_graticule(ground: Ground) -> tuple[list[SafeString], list[SafeString]]:
    """Meridians and parallels at round degrees, and their labels at the left and lower edge."""
    projection = _projection(ground.epsg)
    east_m, south_m = ground.west_m + ground.width_m, ground.north_m - ground.height_m
    corners = [projection(x, y, inverse=True) for x in (ground.west_m, east_m) for y in (south_m, ground.north_m)]
    west, east = min(lon for lon, _lat in corners), max(lon for lon, _lat in corners)
    south, north = min(lat for _lon, lat in corners), max(lat for _lon, lat in corners)
    lines, labels = [], []
    for lon in _rounds(west, east):
        points = [ground.at(*projection(lon, south + (north - south) * i / (POINTS - 1))) for i in range(POINTS)]
        lines.append(_draw_curve(points))
        x = points[0][0]
        if 24 <= x <= ground.width - 24:
            words = _say_degrees(lon, "E", "W")
            labels.append(text(LEFT_PX + x, TOP_PX + ground.height + 15, words, anchor="middle", class_="tick"))
    for lat in _rounds(south, north):
        points = [ground.at(*projection(west + (east - west) * i / (POINTS - 1), lat)) for i in range(POINTS)]
        lines.append(_draw_curve(points))
        y = points[0][1]
        if 6 <= y <= ground.height - 4:
            labels.append(text(LEFT_PX - 6, TOP_PX + y + 4, _say_degrees(lat, "N", "S"), anchor="end", class_="tick"))
    return lines, labels


def _rounds(low: float, high: float) -> list[float]:
    """Two to five round degrees between two."""
    step = next((one for one in STEPS_DEG if (high - low) / one <= 4), STEPS_DEG[-1])
    return [round(place * step, 6) for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _say_degrees(value: float, above: str, below: str) -> str:
    return f"{abs(value):.6g}° {above if value >= 0 else below}"


def _draw_curve(points: Sequence[tuple[float, float]]) -> SafeString:
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_="graticule")


def _draw_scale(ground: Ground) -> list[SafeString]:
    """A bar of a round length, at most a third of the map, and where north is."""
    most = ground.width_m / 3
    power = 10.0 ** math.floor(math.log10(most))
    length_m = next(power * factor for factor in (5, 2, 1) if power * factor <= most)
    y, right = TOP_PX + ground.height + 32, LEFT_PX + length_m * ground.scale
    words = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    ends = [line(x, y - 4, x, y + 4, "axis") for x in (LEFT_PX, right)]
    return [
        line(LEFT_PX, y, right, y, "axis"),
        *ends,
        text(right + 8, y + 4, words, class_="tick"),
        text(LEFT_PX + ground.width, y + 4, "N ↑", anchor="end", class_="tick"),
    ]
