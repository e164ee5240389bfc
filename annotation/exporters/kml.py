"""The labelled samples as training areas: one KML per city, also packed as KMZ, one folder per class."""

from collections import defaultdict
from pathlib import Path

import pyarrow as pa
from shapely import from_wkb

from annotation.exchange.areas import TrainingArea
from annotation.exchange.kml import read_file, split_parts, write_kml, write_kmz
from annotation.exporter import Exporter
from fusion import scheme as schemes
from fusion.errors import BadInputError, UnknownKindError
from fusion.pack import Pack

UNPLACED = "without_place.csv"
NAMELESS = "no-city"


def write(pack: Pack, folder: Path, votes: pa.Table | None) -> None:
    """Footprints with a label, sorted by id within a class; samples without a footprint are listed in a CSV."""
    scheme = schemes.find(pack.scheme())
    cities, unplaced = _gather(pack)
    for city, areas in sorted(cities.items()):
        title = f"{pack.manifest['name']} {pack.manifest['number']}: {city}"
        (folder / f"{_file_name(city)}.kml").write_bytes(write_kml(areas, scheme, title=title))
        (folder / f"{_file_name(city)}.kmz").write_bytes(write_kmz(areas, scheme, title=title))
    lines = "".join(f"{sample},{code}\n" for sample, code in unplaced)
    (folder / UNPLACED).write_text(f"sample,label\n{lines}", encoding="utf-8", newline="\n")
    (folder / "scheme.txt").write_text(f"{scheme.name}\n", encoding="utf-8", newline="\n")


def check(folder: Path) -> None:
    """Every KML and KMZ is read again without a rejected feature."""
    try:
        scheme = schemes.find((folder / "scheme.txt").read_text(encoding="utf-8").strip())
        (folder / UNPLACED).read_text(encoding="utf-8")
    except (OSError, UnknownKindError, UnicodeDecodeError) as error:
        raise BadInputError(f"{folder} is not whole: {error}. Export again.") from error
    for path in sorted(folder.glob("*.km[lz]")):
        if rejected := read_file(path, scheme).rejected:
            raise BadInputError(f"{path}: {rejected[0]}. Export again.")


def _gather(pack: Pack) -> tuple[dict[str, list[TrainingArea]], list[tuple[str, str]]]:
    """Areas by city, and the samples (id, label) that have no footprint."""
    names = ("id", "label", "city", "geometry")
    columns = {name: pack.samples.column(name).to_pylist() for name in names if name in pack.samples.column_names}
    nothing = [None] * pack.samples.num_rows
    rows = zip(*(columns.get(name, nothing) for name in names), strict=True)
    cities: dict[str, list[TrainingArea]] = defaultdict(list)
    unplaced: list[tuple[str, str]] = []
    for sample, code, city, outline in sorted(rows, key=lambda row: str(row[0])):
        if outline is None:
            unplaced.append((sample, code or ""))
        elif code:
            for part in split_parts(from_wkb(outline)):
                area = TrainingArea(code=code, name="", folder="", polygon=part, sample=sample)
                cities[city or NAMELESS].append(area)
    return dict(cities), unplaced


def _file_name(city: str) -> str:
    """A city's name without what a file system could take for something else."""
    return "".join(sign if sign.isalnum() or sign in "-_ " else "_" for sign in city).strip() or NAMELESS


EXPORTER = Exporter(
    name="kml",
    title="Training areas as KML and KMZ",
    write=write,
    check=check,
    help="One per city, with a folder per class in its colour, as WUDAPT and the LCZ Generator exchange them.",
)
