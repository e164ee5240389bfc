"""What was taken from one file of a source: its bytes by hash, what it holds, and in words what was decided and why."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

Bounds = tuple[float, float, float, float]
Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """What is known of every file. `format` is that of the content, whatever the file is called."""

    path: Path
    sha256: str
    size_bytes: int
    format: str
    notes: tuple[str, ...] = ()
    is_simulated: bool = False

    def describe(self) -> str:
        """Everything that was taken, in one line for a command to print."""
        return ". ".join([f"{self.path.name}: {self.say_content()}", *self.notes])

    def say_content(self) -> str:
        """What the file holds, in a few words."""
        return f"{self.format}, {self.size_bytes} bytes"


@dataclass(frozen=True, kw_only=True)
class ArrayInfo(FileInfo):
    """An array of numbers: `variable` is its name in the file, `dims` name its axes out of sample, time, z, band, y, x.

    Physical value = (stored + offset) * scale. `transform` is (a, b, c, d, e, f) in metres or degrees of `epsg`, None
    where the file has no place. `value_range` is that of the stored, finite values that are not nodata;
    `invalid_share` is the part of all values that are nodata or not finite.
    """

    variable: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    bands: tuple[str, ...] = ()
    wavelengths_nm: tuple[float, ...] = ()
    bad_bands: tuple[str, ...] = ()
    epsg: int | None = None
    transform: Transform | None = None
    times: tuple[datetime, ...] = ()
    nodata: float | None = None
    offset: float = 0.0
    scale: float = 1.0
    value_range: tuple[float, float] | None = None
    invalid_share: float = 0.0

    def say_content(self) -> str:
        axes = " x ".join(f"{size} {name}" for size, name in zip(self.shape, self.dims, strict=True))
        low, high = self.value_range or (float("nan"), float("nan"))
        light = f", {self.wavelengths_nm[0]:g} to {self.wavelengths_nm[-1]:g} nm" if self.wavelengths_nm else ""
        place = f"EPSG:{self.epsg}" if self.epsg else "no place"
        return f"{self.variable} {self.dtype} {axes}{light}, {low:g} to {high:g}, {place}, {self.format}"


@dataclass(frozen=True, kw_only=True)
class PointsInfo(FileInfo):
    """A point cloud. `bounds` are west, south, low, east, north, high in units of `epsg`, of the points as counted.

    `classes` counts points by ASPRS class code; `fields` are the columns beside x, y, z.
    """

    points: int
    point_format: int
    fields: tuple[str, ...]
    bounds: tuple[float, float, float, float, float, float]
    classes: Mapping[int, int]
    epsg: int | None = None
    times: tuple[datetime, ...] = ()

    def say_content(self) -> str:
        west, south, low, east, north, high = self.bounds
        place = f"EPSG:{self.epsg}" if self.epsg else "no coordinate reference system"
        return (
            f"{self.points} points of format {self.point_format}, {east - west:g} x {north - south:g}, heights "
            f"{low:g} to {high:g}, {place}, {self.format}"
        )


@dataclass(frozen=True, kw_only=True)
class LayerInfo(FileInfo):
    """A layer of shapes with attributes. `lonlat_bounds` is west, south, east, north; west > east over 180 degrees."""

    layer: str
    shapes: int
    geometry_types: Mapping[str, int]
    fields: tuple[str, ...]
    epsg: int
    lonlat_bounds: Bounds

    def say_content(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.geometry_types.items()))
        return f"layer {self.layer}: {kinds}, {len(self.fields)} attributes, EPSG:{self.epsg}, {self.format}"


@dataclass(frozen=True, kw_only=True)
class SeriesInfo(FileInfo):
    """Values of stations over time. `places` are longitude and latitude by station, where the file says them.

    `ranges` are the lowest and highest value of each variable; `missing_share` is the part of its values not there.
    """

    stations: tuple[str, ...]
    places: Mapping[str, tuple[float, float]]
    variables: tuple[str, ...]
    rows: int
    captured_from: datetime
    captured_to: datetime
    step_s: float
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    missing_share: Mapping[str, float] = field(default_factory=dict)

    def say_content(self) -> str:
        named = ", ".join(self.variables[:8]) + (" ..." if len(self.variables) > 8 else "")
        return (
            f"{self.rows} rows of {named} at {len(self.stations)} stations, {self.captured_from:%Y-%m-%d %H:%M} to "
            f"{self.captured_to:%Y-%m-%d %H:%M}, every {self.step_s:g} s, {self.format}"
        )


@dataclass(frozen=True, kw_only=True)
class FramesInfo(FileInfo):
    """Pictures in the order of time. `times` has one moment per frame, or none where only their order is known."""

    frames: int
    width: int
    height: int
    channels: int
    frames_per_second: float | None = None
    times: tuple[datetime, ...] = ()
    epsg: int | None = None
    transform: Transform | None = None

    def say_content(self) -> str:
        pace = f"{self.frames_per_second:g} a second" if self.frames_per_second else "of unknown pace"
        place = f"EPSG:{self.epsg}" if self.epsg else "no place"
        return f"{self.frames} frames {pace}, {self.width} x {self.height} px, {place}, {self.format}"


@dataclass(frozen=True, kw_only=True)
class ItemAsset:
    """One asset of an item. `uri` is an absolute local path or an address; what the item does not say is empty.

    `sha256` and `size_bytes` are the item's claims (file extension): whoever reads all of the asset checks them.
    """

    key: str
    uri: str
    media_type: str = ""
    roles: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    wavelengths_nm: tuple[float, ...] = ()
    epsg: int | None = None
    transform: Transform | None = None
    shape: tuple[int, int] | None = None
    nodata: float | None = None
    sha256: str = ""
    size_bytes: int | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it is read over the network."""
        return "://" in self.uri


@dataclass(frozen=True, kw_only=True)
class ItemInfo(FileInfo):
    """A STAC Item: where and when something was seen, and where its pixels lie; none of them is read for it."""

    item: str
    collection: str
    captured_from: datetime
    captured_to: datetime
    lonlat_bounds: Bounds
    assets: tuple[ItemAsset, ...]

    def say_content(self) -> str:
        keys = ", ".join(asset.key for asset in self.assets[:12]) + (" ..." if len(self.assets) > 12 else "")
        return f"item {self.item} of {self.captured_from:%Y-%m-%d}, {len(self.assets)} assets ({keys}), {self.format}"


def hash_file(path: Path) -> str:
    """sha256 of the bytes of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
