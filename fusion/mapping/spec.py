"""MapSpec: what one process draws of a map, as JSON. Knows no torch and no rasters."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fusion.errors import SpecError
from fusion.run import OutOfDomain, read_words

Tile = tuple[int, int, int, int]  # row, column, rows, columns in pixels of the map


@dataclass(frozen=True, kw_only=True)
class FileWords:
    """One raster file: its path or address, its bands in file order, its nodata value, the bands read from it."""

    uri: str
    bands: tuple[str, ...]
    wanted: tuple[str, ...]
    nodata: float | None = None


@dataclass(frozen=True, kw_only=True)
class DateWords:
    """One date of a modality. `shift` is added to whole numbers as stored (Sentinel-2 from baseline 04.00 on)."""

    files: tuple[FileWords, ...]
    shift: int = 0


@dataclass(frozen=True, kw_only=True)
class ArrayWords:
    """What one array of the network is read from: a date, or several of a series, each with all `bands`."""

    bands: tuple[str, ...]
    dates: tuple[DateWords, ...]
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True)
class MapSpec:
    """Some tiles of one map: the rasters of `height` x `width` pixels, the network, and what is kept.

    `scenes` holds ArrayWords by the name of the array. `tiles` are (row, column, rows, columns) in pixels of the map.
    `checkpoints` are further members of an ensemble; with `dropout_draws` each answers so many times with its dropout
    on (None: as the run's report says). `out_of_domain` flags what is stranger than `threshold`. `hosts` may be fetched
    from (fusion.sources.stac.AllowedHost).
    """

    checkpoint: str
    scenes: dict[str, Any]
    height: int
    width: int
    tiles: tuple[Any, ...]
    output: str
    checkpoints: tuple[str, ...] = ()
    dropout_draws: int | None = None
    out_of_domain: OutOfDomain = "none"
    threshold: float | None = None
    temperature: float | None = None
    keep_probabilities: bool = False
    hosts: tuple[Any, ...] = ()
    seed: int = 0
    batch_size: int = 256
    device: str = "auto"
    threads: int = 1


def read_spec(values: Mapping[str, Any]) -> MapSpec:
    """The spec in JSON values; SpecError names the field that is wrong."""
    spec = read_words(MapSpec, values)
    for tile in spec.tiles:
        if not isinstance(tile, list | tuple) or len(tile) != 4 or not all(type(part) is int for part in tile):
            raise SpecError(f"tiles must hold (row, column, rows, columns); one is {tile!r}.")
    if spec.height < 1 or spec.width < 1 or not spec.scenes:
        raise SpecError("A map needs scenes, and a height and width of at least one pixel.")
    return spec


def read_scenes(spec: MapSpec) -> dict[str, ArrayWords]:
    """The arrays' words by name."""
    return {name: _read_array(name, values) for name, values in spec.scenes.items()}


def write_scenes(scenes: Mapping[str, ArrayWords]) -> dict[str, Any]:
    """The same as JSON takes it."""
    return {name: asdict(words) for name, words in scenes.items()}


def _read_array(name: str, values: Any) -> ArrayWords:
    if not isinstance(values, Mapping):
        raise SpecError(f"scenes.{name} must be an object; it is {values!r}.")
    dates = [read_words(_Date, each) for each in _list(name, values.get("dates"))]
    read = [
        DateWords(files=tuple(read_words(FileWords, file) for file in _list(name, each.files)), shift=each.shift)
        for each in dates
    ]
    plain = read_words(_Array, {key: value for key, value in values.items() if key != "dates"})
    return ArrayWords(bands=plain.bands, offset=plain.offset, dates=tuple(read))


def _list(name: str, values: Any) -> list[dict[str, Any]]:
    if not isinstance(values, list | tuple) or not values or not all(isinstance(one, Mapping) for one in values):
        raise SpecError(f"scenes.{name} needs dates, each with its files.")
    return [dict(one) for one in values]


@dataclass(frozen=True, kw_only=True)
class _Array:
    bands: tuple[str, ...]
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Date:
    files: tuple[Any, ...] = field(default=())
    shift: int = 0
