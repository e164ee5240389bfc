"""What a reader of files promises: it says what it took from them, or refuses them by name; no pixels are kept here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from fusion import registry
from fusion.errors import UnknownKindError
from fusion.file_info import FileInfo
from fusion.modality import Modality

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest raster that is opened at all; all of it is checked from the header, before any block is decoded.

    A Sentinel-2 tile has 1.2e8 pixels, a Sentinel-1 ground range scene 4.2e8. Deflate cannot pack above 1032 to 1, so a
    larger file with a higher ratio is a bomb or holds nothing; below `free_bytes` decoded any ratio does no harm.
    """

    pixels: int = 500_000_000
    side: int = 100_000
    bands: int = 512
    block_bytes: int = 256 * 2**20
    decoded_bytes: int = 32 * 2**30
    ratio: float = 1100.0
    free_bytes: int = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class RasterFile:
    """What it takes to read one file again: where it lies, the names of its bands in file order, its nodata value."""

    path: Path
    bands: tuple[str, ...]
    nodata: float | None = None


@dataclass(frozen=True, kw_only=True)
class RasterInfo:
    """What was taken from one file. `bands` names every band in file order, `used` those the modality knows.

    `wavelengths_nm` are the centres of the bands in file order, where the file states them all.
    `scene` is shared by the files of one band folder. `transform` is (a, b, c, d, e, f): x = a column + b row + c,
    y = d column + e row + f, in metres or degrees of `epsg`. Physical value = (stored + offset) * scale.
    `lonlat_bounds` is west, south, east, north; west > east where the antimeridian is crossed. `invalid_share` is the
    part of the pixels that are nodata or not finite in any used band. `notes` say in words what was decided and why.
    """

    path: Path
    scene: str
    sha256: str
    size_bytes: int
    driver: str
    modality: str
    bands: tuple[str, ...]
    used: tuple[str, ...]
    dtype: str
    width: int
    height: int
    epsg: int
    transform: tuple[float, float, float, float, float, float]
    nodata: float | None
    offset: float
    scale: float
    captured_from: datetime | None
    captured_to: datetime | None
    lonlat_bounds: Bounds
    invalid_share: float
    is_simulated: bool
    notes: tuple[str, ...]
    wavelengths_nm: tuple[float, ...] = ()

    @property
    def is_mostly_invalid(self) -> bool:
        """More than half of the pixels hold nothing."""
        return self.invalid_share > 0.5

    @property
    def pixel_size(self) -> float:
        """Width of a pixel in units of the CRS."""
        return self.transform[0]

    def describe(self) -> str:
        """Everything that was taken, in one line for a command to print."""
        when = f"{self.captured_from:%Y-%m-%d}" if self.captured_from else "no date"
        facts = (
            f"{self.path.name}: {', '.join(self.used)} {self.dtype}, {self.width} x {self.height} px of "
            f"{self.pixel_size:g} in EPSG:{self.epsg}, {when}, offset {self.offset:g}, scale {self.scale:g}, "
            f"nodata {self.nodata}, {self.invalid_share:.1%} without data"
        )
        return ". ".join([facts, *self.notes])


class Inspect(Protocol):
    """Look at files, read every block, and say what they hold; refuse by name with BadRasterError, storing nothing."""

    def __call__(
        self,
        paths: Sequence[Path | str],
        modality: Modality,
        *,
        limits: Limits | None = None,
        bands: Sequence[str] | None = None,
        offset: float | None = None,
        captured: datetime | None = None,
    ) -> list[RasterInfo]: ...


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo without any metadata: `jpeg` holds pixels alone, upright; what its EXIF said is beside it.

    `heading_deg` is where the camera looked, clockwise from true north; `field_of_view_deg` is horizontal. `sha256` is
    that of the file as it came. `notes` say in words what was decided and why.
    """

    path: Path
    sha256: str
    jpeg: bytes
    width: int
    height: int
    longitude: float | None
    latitude: float | None
    heading_deg: float | None
    field_of_view_deg: float | None
    captured_at: datetime | None
    is_simulated: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PostRow:
    """A post from a table: `text` without names, addresses and numbers; `removed` counts what was taken out, by kind.

    `source_id` and `author` are as they came: they are hashed before anything is stored, and never shown.
    """

    line: int
    source_id: str
    author: str
    text: str
    removed: Mapping[str, int]
    language: str
    posted_at: datetime | None
    longitude: float | None
    latitude: float | None
    image: str


class ReadPhoto(Protocol):
    """Read a photo and leave its metadata behind; refuse it by name with BadPhotoError."""

    def __call__(self, path: Path) -> Photo: ...


class ReadPosts(Protocol):
    """Read a table of posts, all or nothing; every bad row is named by its line in one BadPostsError."""

    def __call__(self, path: Path) -> list[PostRow]: ...


class Look(Protocol):
    """Say what a file (or folder) holds, in one info per array, layer or table; refuse it by name with BadFileError."""

    def __call__(self, path: Path) -> Sequence[FileInfo]: ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of file that is read: its name, the file endings it goes by, and how: as rasters, a photo, or posts.

    Sources of other arrays, points, shapes, series and videos have `look`; how their content is read is the reader's
    own, since a cloud of points and a table of weather have nothing in common.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    inspect: Inspect | None = None
    read_photo: ReadPhoto | None = None
    read_posts: ReadPosts | None = None
    look: Look | None = None


def find(name: str) -> Source:
    """The source called `name`."""
    return registry.find_kind("fusion.sources", name, "SOURCE", Source)


def find_by_suffix(path: Path) -> list[Source]:
    """The sources that read files with this ending; an ending that none reads is answered with the known ones."""
    every = load_all().values()
    found = [source for source in every if path.name.lower().endswith(source.suffixes)]
    if not found:
        known = sorted({suffix for source in every for suffix in source.suffixes})
        raise UnknownKindError(f"{path.name}: no source reads this ending. Known: {', '.join(known)}.")
    return found


def load_all() -> dict[str, Source]:
    """Every source by name."""
    return registry.load_kinds("fusion.sources", "SOURCE", Source)
