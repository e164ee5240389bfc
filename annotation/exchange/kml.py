"""Training areas as KML or KMZ: one folder per class, as WUDAPT and the LCZ Generator exchange them.

A feature that cannot be taken is reported with its folder and reason; one bad feature never spoils a file.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.polygon import orient
from shapely.validation import explain_validity

from annotation.exchange.areas import AreaFile, Coding, Rejected, TrainingArea, mark_areas, read_code
from fusion.errors import BadInputError
from fusion.scheme import Scheme
from fusion.zips import has_more_members

NAMESPACE = "http://www.opengis.net/kml/2.2"
DOCUMENT = "doc.kml"
SAMPLE = "sample"  # name of the extended datum that carries a sample's key
MOST_BYTES = 64 * 2**20  # of KML text, packed or not
MOST_ENTRIES = 1_000  # files inside a KMZ
MOST_FEATURES = 100_000
MOST_DEPTH = 64
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # no XML 1.0 file may hold them
Element = Xml.Element


def read_areas(data: bytes, scheme: Scheme, *, coding: Coding = "code", name: str = "the file") -> AreaFile:
    """Training areas of a KML or KMZ file; raises BadInputError where it is neither, or holds no area at all.

    The nearest folder that names a class tells it, else the placemark's own name. Heights are dropped; each part of a
    MultiGeometry becomes an area; points, lines and polygons that cross themselves are rejected by name.
    """
    root = _parse(_unpack(data, name), name)
    areas: list[TrainingArea] = []
    rejected: list[Rejected] = []
    for count, (placemark, folders) in enumerate(_walk(root)):
        if count == MOST_FEATURES:
            raise BadInputError(f"{name} has more than {MOST_FEATURES:,} features; split it.")
        _take(placemark, folders, scheme, coding, areas, rejected)
    if not areas:
        why = f" Rejected: {'; '.join(map(str, rejected[:5]))}." if rejected else ""
        raise BadInputError(
            f"{name} holds no training area. Draw polygons in one folder per class, named by its code.{why}"
        )
    taken = tuple(areas)
    return AreaFile(areas=taken, rejected=tuple(rejected), marks=mark_areas(taken))


def write_kml(areas: list[TrainingArea], scheme: Scheme, *, title: str) -> bytes:
    """KML with one styled folder per class in the scheme's order; areas keep their order and are named 1a, 1b, ..."""
    root = Element("kml", xmlns=NAMESPACE)
    document = _add(root, "Document")
    _add(document, "name", title)
    for label in scheme.classes:
        style = _add(_add(document, "Style", id=f"class-{label.code}"), "PolyStyle")
        _add(style, "color", f"b3{_swap(label.colour)}")
    for label in scheme.classes:
        folder = _add(document, "Folder")
        _add(folder, "name", _folder_name(scheme, label.code))
        for place, area in enumerate(area for area in areas if area.code == label.code):
            _write_area(folder, area, f"{label.code}{_letters(place)}")
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="UTF-8", xml_declaration=True))


def write_kmz(areas: list[TrainingArea], scheme: Scheme, *, title: str) -> bytes:
    """The same packed; equal areas give equal bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(DOCUMENT, date_time=(1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, write_kml(areas, scheme, title=title), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def read_file(path: Path, scheme: Scheme, *, coding: Coding = "code") -> AreaFile:
    """As `read_areas`, from a path; a file that cannot be opened is named."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from error
    return read_areas(data, scheme, coding=coding, name=path.name)


def _unpack(data: bytes, name: str) -> bytes:
    """The KML text; of a KMZ its doc.kml, else its first .kml, never more than MOST_BYTES."""
    if not data.startswith(b"PK"):
        if len(data) > MOST_BYTES:
            raise BadInputError(f"{name} is larger than {MOST_BYTES >> 20} MiB; split it.")
        return data
    if has_more_members(io.BytesIO(data), MOST_ENTRIES):
        raise BadInputError(f"{name} packs more than {MOST_ENTRIES:,} files; it is not a KMZ of areas.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            documents = [entry for entry in entries if entry.filename.lower().endswith(".kml")]
            documents.sort(key=lambda entry: (entry.filename != DOCUMENT, entry.filename))
            if not documents:
                raise BadInputError(f"{name} is a zip without a .kml inside. Save it as KMZ again.")
            if documents[0].file_size > MOST_BYTES:
                raise BadInputError(f"{name} unpacks to more than {MOST_BYTES >> 20} MiB; split it.")
            with archive.open(documents[0]) as file:
                text = file.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise BadInputError(f"{name} is not a whole KMZ: {error}. Save it again.") from error
    if len(text) > MOST_BYTES:
        raise BadInputError(f"{name} unpacks to more than {MOST_BYTES >> 20} MiB; split it.")
    return text


def _parse(text: bytes, name: str) -> Element:
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except DefusedXmlException as error:
        raise BadInputError(
            f"{name} declares XML entities or a DTD, which is not read. Save it as plain KML."
        ) from error
    except (Xml.ParseError, ValueError, LookupError) as error:
        raise BadInputError(f"{name} is not KML: {error}. Save it again from the drawing program.") from error
    if _tag(root) != "kml" and not any(_tag(child) == "Placemark" for child in root.iter()):
        raise BadInputError(f"{name} is XML but not KML: its first element is {_tag(root)!r}.")
    return root


def _walk(root: Element) -> Iterator[tuple[Element, tuple[str, ...]]]:
    """Every placemark with the names of the folders around it, outermost first, in the file's order."""
    waiting: list[tuple[Element, tuple[str, ...]]] = [(root, ())]
    while waiting:
        element, folders = waiting.pop()
        if _tag(element) == "Placemark":
            yield element, folders
            continue
        if _tag(element) == "Folder":
            folders = (*folders, _text(element, "name"))
        if len(folders) > MOST_DEPTH:
            raise BadInputError(f"Folders lie more than {MOST_DEPTH} deep; put each class in one folder.")
        waiting += [(child, folders) for child in reversed(element)]


def _take(
    placemark: Element,
    folders: tuple[str, ...],
    scheme: Scheme,
    coding: Coding,
    areas: list[TrainingArea],
    rejected: list[Rejected],
) -> None:
    """Add a placemark's polygons to `areas`, or what is wrong with them to `rejected`."""
    name, folder = _text(placemark, "name"), " / ".join(part for part in folders if part)

    def reject(reason: str) -> None:
        rejected.append(Rejected(folder=folder, name=name, reason=reason))

    codes = (read_code(text, scheme, coding) for text in (*reversed(folders), name))
    code = next((code for code in codes if code), None)
    if code is None:
        return reject(f"no folder around it names a class of {scheme.name}, nor does its name")
    shapes = [shape for shape in placemark.iter() if _tag(shape) in ("Polygon", "Point", "LineString", "Model")]
    if not shapes:
        return reject("it has no geometry")
    for shape in shapes:
        if _tag(shape) != "Polygon":
            reject(f"a {_tag(shape)} encloses nothing; draw a polygon")
            continue
        try:
            polygon = _read_polygon(shape)
            sample = _read_sample(placemark)
            areas.append(TrainingArea(code=code, name=name, folder=folder, polygon=polygon, sample=sample))
        except ValueError as error:
            reject(str(error))


def _read_sample(placemark: Element) -> str:
    data = (each for each in placemark.iter() if _tag(each) == "Data" and each.get("name") == SAMPLE)
    return next((_text(each, "value") for each in data), "")


def _read_polygon(shape: Element) -> Polygon:
    """A valid polygon in degrees; ValueError says what is wrong with it."""
    rings = [
        _read_ring(_text_below(boundary, "coordinates"))
        for wanted in ("outerBoundaryIs", "innerBoundaryIs")
        for boundary in shape
        if _tag(boundary) == wanted
    ]
    if not rings:
        raise ValueError("its polygon has no border")
    polygon = Polygon(rings[0], rings[1:])
    if not polygon.is_valid:
        raise ValueError(f"its border is not simple: {explain_validity(polygon)}")
    if polygon.area == 0:
        raise ValueError("its polygon has no area")
    west, _south, east, _north = polygon.bounds
    if east - west > 180:
        raise ValueError("it spans more than half of the Earth; split it at the 180th meridian")
    return orient(polygon)


def _read_ring(text: str) -> list[tuple[float, float]]:
    points = []
    for tuple_ in text.split():
        parts = tuple_.split(",")
        try:
            longitude, latitude = float(parts[0]), float(parts[1])
        except (ValueError, IndexError):
            raise ValueError(f"{tuple_[:40]!r} is not a longitude and a latitude") from None
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
            raise ValueError(f"{tuple_[:40]!r} does not lie on Earth; coordinates are degrees, longitude first")
        points.append((longitude, latitude))
    if len(points) < 4:
        raise ValueError(f"its border has {len(points)} points; a closed one needs at least 4")
    return points


def _write_area(folder: Element, area: TrainingArea, name: str) -> None:
    placemark = _add(folder, "Placemark")
    _add(placemark, "name", name)
    _add(placemark, "styleUrl", f"#class-{area.code}")
    if area.sample:
        _add(_add(_add(placemark, "ExtendedData"), "Data", name=SAMPLE), "value", area.sample)
    polygon = _add(placemark, "Polygon")
    for wanted, ring in [("outerBoundaryIs", area.polygon.exterior)] + [
        ("innerBoundaryIs", hole) for hole in area.polygon.interiors
    ]:
        text = " ".join(f"{longitude:.7f},{latitude:.7f}" for longitude, latitude, *_height in ring.coords)
        _add(_add(_add(polygon, wanted), "LinearRing"), "coordinates", text)


def split_parts(geometry: Polygon | MultiPolygon) -> list[Polygon]:
    """The polygons of a footprint: two where it crosses the 180th meridian."""
    return list(geometry.geoms) if isinstance(geometry, MultiPolygon) else [geometry]


def _folder_name(scheme: Scheme, code: str) -> str:
    return f"LCZ {code}" if scheme.name.startswith("lcz") else code


def _letters(place: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    text = ""
    while place >= 0:
        text = chr(ord("a") + place % 26) + text
        place = place // 26 - 1
    return text


def _swap(colour: str) -> str:
    """#rrggbb as KML's bbggrr."""
    return colour[5:7] + colour[3:5] + colour[1:3]


def _add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    child = Xml.SubElement(parent, tag, attributes)
    child.text = None if text is None else UNPRINTABLE.sub(" ", text)
    return child


def _tag(element: Element) -> str:
    """The name without its namespace: files of many programs declare none, or an older one."""
    return str(element.tag).rsplit("}", 1)[-1]


def _text(element: Element, name: str) -> str:
    found = next((child for child in element if _tag(child) == name), None)
    return (found.text or "").strip() if found is not None else ""


def _text_below(element: Element, name: str) -> str:
    found = next((child for child in element.iter() if _tag(child) == name), None)
    return (found.text or "").strip() if found is not None else ""
