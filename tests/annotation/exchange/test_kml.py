"""Training areas come in as others draw them, faults and all, and go out so that others read them."""

import contextlib
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from annotation.exchange.areas import TrainingArea, read_code
from annotation.exchange.kml import read_areas, read_file, write_kml, write_kmz
from fusion import scheme as schemes
from fusion.errors import BadInputError

LCZ = schemes.find("lcz17")
SQUARE = "7.0,50.0 7.01,50.0 7.01,50.01 7.0,50.01 7.0,50.0"
BOW = "7.0,50.0 7.01,50.01 7.01,50.0 7.0,50.01 7.0,50.0"


def polygon(ring: str = SQUARE, holes: str = "") -> str:
    border = f"<outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs>"
    return f"<Polygon>{border}{holes}</Polygon>"


def placemark(name: str = "1a", geometry: str | None = None) -> str:
    return f"<Placemark><name>{name}</name>{polygon() if geometry is None else geometry}</Placemark>"


def folder(name: str, *inside: str) -> str:
    return f"<Folder><name>{name}</name>{''.join(inside)}</Folder>"


def document(*inside: str, namespace: str = ' xmlns="http://www.opengis.net/kml/2.2"') -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><kml{namespace}><Document>{"".join(inside)}</Document></kml>'.encode()
    )


@pytest.mark.parametrize(
    ("text", "coding", "code"),
    [
        ("LCZ 6", "code", "6"),
        ("LCZ_A", "code", "A"),
        ("lcz10", "code", "10"),
        ("LCZ1a", "code", "1"),
        ("6", "code", "6"),
        ("6c", "code", "6"),
        ("A", "code", "A"),
        ("B Scattered trees", "code", "B"),
        ("LCZ 3 - compact low-rise (centre)", "code", "3"),
        ("101", "101-107", "A"),
        ("107", "101-107", "G"),
        ("17", "1-17", "G"),
        ("LCZ 11", "1-17", "A"),
        ("11", "code", None),
        ("101", "code", None),
        ("101", "1-17", None),
        ("A city", "code", None),
        ("Berlin 2020", "code", None),
        ("2 areas", "code", None),
        ("18", "1-17", None),
        ("", "code", None),
        ("Gärten", "code", None),
    ],
)
def test_a_class_is_read_from_many_ways_to_write_it(text: str, coding: str, code: str | None) -> None:
    assert read_code(text, LCZ, coding) == code  # type: ignore[arg-type]


def test_what_is_written_is_read_back_with_holes_order_and_classes() -> None:
    hole = [(7.002, 50.002), (7.004, 50.002), (7.004, 50.004), (7.002, 50.004)]
    outer = [(7.0, 50.0), (7.01, 50.0), (7.01, 50.01), (7.0, 50.01)]
    areas = [
        TrainingArea(code=code, name="", folder="", polygon=Polygon(outer, [hole] if code == "6" else []))
        for code in ("A", "6", "10", "6")
    ]
    for data in (write_kml(areas, LCZ, title="Köln"), write_kmz(areas, LCZ, title="Köln")):
        read = read_areas(data, LCZ)
        assert read.rejected == ()
        assert [area.code for area in read.areas] == ["6", "6", "10", "A"]
        assert [area.name for area in read.areas] == ["6a", "6b", "10a", "Aa"]
        assert [len(area.polygon.interiors) for area in read.areas] == [1, 1, 0, 0]
        assert read.areas[0].polygon.equals(areas[1].polygon)
    assert write_kmz(areas, LCZ, title="Köln") == write_kmz(areas, LCZ, title="Köln")


def test_colours_are_written_in_the_order_of_kml() -> None:
    area = TrainingArea(code="1", name="", folder="", polygon=Polygon([(0, 0), (1, 0), (1, 1)]))
    assert b"b300008c" in write_kml([area], LCZ, title="x")  # compact high-rise is #8c0000


def test_bad_features_are_named_and_the_good_ones_taken() -> None:
    line = "<LineString><coordinates>7,50 8,51</coordinates></LineString>"
    read = read_areas(
        document(
            folder("LCZ 1", placemark("good"), placemark("line", line), placemark("bow", polygon(BOW))),
            folder("Wald", placemark("oak")),
            folder("LCZ 2", placemark("empty", ""), placemark("short", polygon("7,50 7.1,50"))),
            folder("LCZ 3", placemark("far", polygon(SQUARE.replace("7.01", "207")))),
            folder("LCZ 4", placemark("words", polygon("seven,fifty 1,2 3,4 5,6"))),
        ),
        LCZ,
    )
    assert [area.name for area in read.areas] == ["good"]
    reasons = {one.name: str(one) for one in read.rejected}
    assert "LCZ 1 / line: a LineString encloses nothing" in reasons["line"]
    assert "not simple" in reasons["bow"]
    assert "Wald / oak: no folder" in reasons["oak"]
    assert "no geometry" in reasons["empty"]
    assert "2 points" in reasons["short"]
    assert "does not lie on Earth" in reasons["far"]
    assert "not a longitude and a latitude" in reasons["words"]


def test_nested_folders_multigeometry_heights_and_foreign_namespaces_are_read() -> None:
    two = f"<MultiGeometry>{polygon()}{polygon(SQUARE.replace('7.0', '8.0'))}</MultiGeometry>"
    high = polygon(" ".join(f"{point},120.5" for point in SQUARE.split()))
    inside = folder("Köln", folder("LCZ A", placemark("grün", two), placemark("", high)))
    for namespace in ("", ' xmlns="http://earth.google.com/kml/2.1"'):
        read = read_areas(document(inside, namespace=namespace), LCZ)
        assert [area.code for area in read.areas] == ["A", "A", "A"]
        assert read.areas[0].folder == "Köln / LCZ A"
        assert not any(area.polygon.has_z for area in read.areas)


def test_a_folder_with_one_polygon_is_taken_and_marked() -> None:
    read = read_areas(document(folder("LCZ 1", placemark())), LCZ)
    assert len(read.areas) == 1
    assert any(mark.startswith("few: class 1 has 1") for mark in read.marks[0])


def test_unusual_areas_are_marked_and_kept() -> None:
    tiny = polygon("7,50 7.0001,50 7.0001,50.0001 7,50.0001 7,50")
    thin = polygon("7,50 7.1,50 7.1,50.0005 7,50.0005 7,50")
    vast = polygon("7,50 8,50 8,51 7,51 7,50")
    names = folder("LCZ 1", placemark("tiny", tiny), placemark("thin", thin), placemark("vast", vast), placemark())
    read = read_areas(document(names), LCZ)
    assert len(read.areas) == 4
    assert [read.marks[place][0].split(":")[0] for place in range(3)] == ["small", "thin", "large"]
    assert 3 not in read.marks


def test_sizes_are_metres_on_the_ellipsoid() -> None:
    area = read_areas(document(folder("1", placemark())), LCZ).areas[0]
    # 0.01 degrees at 50.005 N: 716.7 m of parallel by 1112.3 m of meridian.
    assert area.area_m2 == pytest.approx(716.7 * 1112.3, rel=2e-3)
    assert area.shape_index == pytest.approx(2 * (716.7 + 1112.3) / (2 * (3.14159 * 716.7 * 1112.3) ** 0.5), rel=2e-3)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not KML"),
        (b"PK\x03\x04 not a zip", "not a whole KMZ"),
        (b"<html><body/></html>", "XML but not KML"),
        (b'{"type": "FeatureCollection"}', "not KML"),
        (document(), "no training area"),
        (document(folder("LCZ 1")), "no training area"),
        (document(folder("Wald", placemark("oak"))), "no folder around it names a class"),
        (b'<!DOCTYPE k [<!ENTITY a "b">]><kml><Document>&a;</Document></kml>', "entities or a DTD"),
        (document(*["<Folder>"] * 70, *["</Folder>"] * 70), "no training area|deep"),
    ],
)
def test_files_that_are_not_areas_are_refused_with_a_reason(data: bytes, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        read_areas(data, LCZ, name="areas.kml")


def packed(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def test_a_kmz_without_kml_and_one_that_unpacks_to_too_much_are_refused() -> None:
    with pytest.raises(BadInputError, match=r"without a \.kml"):
        read_areas(packed(picture=b"x"), LCZ)
    with pytest.raises(BadInputError, match="unpacks to more than"):
        read_areas(packed(**{"doc.kml": b" " * (65 << 20)}), LCZ)


def test_a_kmz_that_lies_about_its_size_never_unpacks_beyond_the_limit() -> None:
    data = bytearray(packed(**{"doc.kml": b" " * (65 << 20)}))
    for signature, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = data.index(signature) + place
        data[start : start + 4] = (100).to_bytes(4, "little")
    with pytest.raises(BadInputError):
        read_areas(bytes(data), LCZ)


def test_a_file_without_a_name_before_its_ending_is_read(tmp_path: object) -> None:
    path = tmp_path / ".kml"  # type: ignore[operator]
    path.write_bytes(document(folder("1", placemark())))
    assert len(read_file(path, LCZ).areas) == 1
    with pytest.raises(BadInputError, match="cannot be read"):
        read_file(tmp_path / "absent.kml", LCZ)  # type: ignore[operator]


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"<kml>{text}</kml>".encode()))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise_anything_but_a_clear_refusal(data: bytes) -> None:
    with contextlib.suppress(BadInputError):
        read_areas(data, LCZ)
