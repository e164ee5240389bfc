"""Shapes: opened by one driver in a process of its own, valid, in a CRS that is known; disguises change nothing."""

import contextlib
import json
import sqlite3

import numpy as np
import pyarrow as pa
import pytest
import shapely

from fusion.errors import BadFileError
from fusion.sources.vectors import inspect_layers, read_buildings, read_layer
from fusion.sources.vectors.buildings import find_height
from tests.listening import listen

SQUARE = [[11.0, 48.0], [11.001, 48.0], [11.001, 48.001], [11.0, 48.001], [11.0, 48.0]]
BOW = [[11.0, 48.0], [11.001, 48.001], [11.001, 48.0], [11.0, 48.001], [11.0, 48.0]]


def feature(ring, **tags):
    return {"type": "Feature", "properties": tags, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def write(path, *features, **members):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features), **members}))
    return path


def write_with_gdal(path, driver, epsg=32632):
    """A layer of two squares, written by pyogrio."""
    pyogrio = pytest.importorskip("pyogrio")
    squares = shapely.box([600_000, 600_100], [5_300_000, 5_300_000], [600_010, 600_130], [5_300_010, 5_300_030])
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb(squares), fields=["kind"],
        field_data=[np.array(["house", "Größe"], dtype=object)], geometry_type="Polygon", crs=f"EPSG:{epsg}",
        driver=driver,
    )  # fmt: skip
    return path


def refused(path) -> str:
    with pytest.raises(BadFileError) as caught:
        inspect_layers(path)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_a_crs_by_its_address_is_called_by_nobody(tmp_path):
    """On row B3: GDAL's reader of GeoJSON fetches what a CRS of type link names, in the very file that is sent."""
    with listen() as listener:
        link = {"type": "link", "properties": {"href": f"http://127.0.0.1:{listener.port}/crs", "type": "ogcwkt"}}
        path = write(tmp_path / "a.geojson", feature(SQUARE), crs=link)
        with contextlib.suppress(BadFileError):
            inspect_layers(path)
        assert listener.heard == []
        pyogrio = pytest.importorskip("pyogrio")
        with contextlib.suppress(Exception):
            pyogrio.read_info(path)
        assert listener.heard, "where nothing stops it, it calls"


def test_geojson_is_taken_with_broken_rings_mended_and_empty_rows_left_out(tmp_path):
    empty = {"type": "Feature", "properties": {"building": "yes"}, "geometry": None}
    path = write(tmp_path / "a.geojson", feature(SQUARE, building="house"), feature(BOW, building="shed"), empty)
    shapes = read_layer(path)
    assert shapes.info.geometry_types == {"Polygon": 1, "MultiPolygon": 1}
    assert shapes.info.epsg == 4326
    assert shapes.info.lonlat_bounds == pytest.approx((11.0, 48.0, 11.001, 48.001))
    assert shapely.is_valid(shapes.geometries).all()
    assert shapes.attributes.column("building").to_pylist() == ["house", "shed"]
    said = " ".join(shapes.info.notes)
    assert "1 rows without a geometry" in said
    assert "1 invalid geometries mended" in said
    assert "RFC 7946" in said


@pytest.mark.parametrize(("name", "driver"), [("a.gpkg", "GPKG"), ("a.shp", "ESRI Shapefile")])
def test_a_layer_in_metres_is_placed_in_degrees(tmp_path, name, driver):
    shapes = read_layer(write_with_gdal(tmp_path / name, driver))
    assert (shapes.info.epsg, shapes.info.format, shapes.info.shapes) == (32632, driver, 2)
    assert shapes.attributes.column("kind").to_pylist() == ["house", "Größe"]
    assert shapely.bounds(shapes.to_lonlat()).min(axis=0)[:2] == pytest.approx((10.34, 47.84), abs=0.02)


def test_a_shapefile_without_its_parts_or_its_crs_is_refused(tmp_path):
    path = write_with_gdal(tmp_path / "a.shp", "ESRI Shapefile")
    path.with_suffix(".prj").unlink()
    assert "no coordinate reference system" in refused(path)
    assert inspect_layers(path, epsg=32632)[0].epsg == 32632
    path.with_suffix(".dbf").unlink()
    assert "its .dbf is missing" in refused(path)


def test_swapped_axes_metres_and_wrong_zones_are_refused(tmp_path):
    metres = [[x * 1e5, y * 1e5] for x, y in SQUARE]
    assert "no places on Earth" in refused(write(tmp_path / "a.geojson", feature(metres)))
    path = write_with_gdal(tmp_path / "a.shp", "ESRI Shapefile", epsg=25832)
    prj = path.with_suffix(".prj")
    prj.write_text(prj.read_text().replace("9.0", "-147.0").replace("UTM_Zone_32N", "UTM_Zone_6N"))
    assert "EPSG code" in refused(path)


DISGUISES = {
    "vrt.geojson": b"<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>/etc/passwd</SrcDataSource></OGRVRTLayer>",
    "csv.geojson": b"a,b\n1,2\n",
    "topology.geojson": b'{"type": "Topology", "objects": {}, "arcs": []}',
    "esri.geojson": b'{"features": [{"attributes": {"a": 1}, "geometry": {"x": 1}}], "geometryType": "esriPoint"}',
    "kml.geojson": b"<?xml version='1.0'?><kml xmlns='http://www.opengis.net/kml/2.2'></kml>",
    "empty.geojson": b"",
    "zip.gpkg": b"PK\x03\x04" + bytes(100),
    "plain.gpkg": b"SQLite format 3\0" + bytes(200),
    "head.pbf": b"\0\0\0\x0d\x0a\x09OSMHeader" + bytes(40),
    "cut.geojson": b'{"type": "FeatureCollection", "features": [{"type": "Feature", "geom',
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_file_that_pretends_is_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(DISGUISES[name])
    refused(tmp_path / name)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_geopackage_whose_tables_lead_elsewhere_is_refused(tmp_path):
    path = write_with_gdal(tmp_path / "a.gpkg", "GPKG")
    with sqlite3.connect(path) as tables:
        tables.execute("PRAGMA writable_schema = ON")
        tables.execute(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES "
            "('table', 'x', 'x', 0, 'CREATE VIRTUAL TABLE x USING VirtualOGR(''/etc/passwd'')')"
        )
    tables.close()
    assert "a virtual table that is no index" in refused(path)


def test_a_journal_beside_a_geopackage_is_not_played_back(tmp_path):
    path = write_with_gdal(tmp_path / "a.gpkg", "GPKG")
    before = path.read_bytes()
    journal = tmp_path / "a.gpkg-journal"
    journal.write_bytes(bytes.fromhex("d9d505f920a163d7") + b"\0\0\0\1" * 200)
    assert inspect_layers(path)[0].shapes == 2
    assert path.read_bytes() == before
    assert journal.exists()


def test_buildings_have_footprints_heights_and_tags(tmp_path):
    path = write(tmp_path / "a.geojson", feature(SQUARE, building="house", height="12,5 m"), feature(BOW))
    first, second = read_buildings(path)
    assert (first.use, first.height_m) == ("house", 12.5)
    assert first.tags == {"building": "house", "height": "12,5 m"}
    assert second.height_m is None
    assert second.footprint.is_valid


@pytest.mark.parametrize(
    ("tags", "height"),
    [
        ({"height": "12"}, 12.0), ({"height": "40 ft"}, 12.192), ({"building:levels": "4"}, 12.0),
        ({"height": "tall"}, None), ({"height": "99999"}, None), ({"building:levels": "-1"}, None), ({}, None),
    ],
)  # fmt: skip
def test_a_height_is_read_from_tags(tags, height):
    found = find_height(tags)
    assert found == (None if height is None else pytest.approx(height))


def test_an_unknown_layer_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(BadFileError, match=r"no layer 'b'. There are a"):
        read_layer(write(tmp_path / "a.geojson", feature(SQUARE), name="a"), "b")


def test_the_table_of_attributes_is_plain_arrow(tmp_path):
    shapes = read_layer(write(tmp_path / "a.geojson", feature(SQUARE, storeys=4, name="hall")))
    assert isinstance(shapes.attributes, pa.Table)
    assert shapes.attributes.to_pylist() == [{"storeys": 4, "name": "hall"}]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "driver"), [("a.gpkg", "GPKG"), ("a.shp", "ESRI Shapefile")])
def test_a_cut_or_flipped_layer_is_refused_or_says_what_it_lacks(tmp_path, name, driver):
    path = write_with_gdal(tmp_path / name, driver)
    whole = path.read_bytes()
    for share in (0.0, 0.2, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        try:
            [info] = inspect_layers(path)
        except BadFileError as error:
            said = str(error)
        else:
            said = info.describe()
            assert info.shapes == 2 or "left out" in said
        assert name in said
    for place in np.random.default_rng(1).integers(0, len(whole), 6).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            inspect_layers(path)
        except BadFileError as error:
            assert name in str(error)  # noqa: PT017  whether it raises is chance, what it says is not
