"""Outlines of buildings cover the buildings that are drawn, and ordinary readers take them."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from fusion import scheme
from fusion.world.footprints import USES, Footprint, find_footprints, find_keys, write_footprints
from fusion.world.ground import Squares, Window, draw_squares
from fusion.world.photos import ZONES
from fusion.world.plan import plan_world
from fusion.world.world import City

WINDOW = Window(rows=(40, 80), columns=(40, 80))


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=4).cities[0]


@pytest.fixture(scope="module")
def footprints(city: City) -> list[Footprint]:
    return find_footprints(city, WINDOW)


@pytest.fixture(scope="module")
def squares(city: City) -> Squares:
    return draw_squares(city, WINDOW, detail=2)


def test_outlines_cover_the_squares_of_buildings(city: City, footprints: list[Footprint], squares: Squares) -> None:
    step, _, west, _, _, north = squares.transform
    rows, columns = np.indices(squares.lot.shape)
    lon, lat = Transformer.from_crs(city.epsg, 4326, always_xy=True).transform(
        west + (columns + 0.5) * step, north - (rows + 0.5) * step
    )
    covered = shapely.contains_xy(shapely.union_all([one.outline for one in footprints]), lon, lat)
    drawn = squares.lot > 0
    assert drawn.sum() > 1000
    assert (covered & drawn).sum() / (covered | drawn).sum() > 0.9


def test_heights_are_those_of_the_drawn_roofs(footprints: list[Footprint], squares: Squares) -> None:
    keys = find_keys(squares)
    assert {one.key for one in footprints} <= set(np.unique(keys[keys > 0]).tolist())
    for one in footprints[::7]:
        assert (squares.height[keys == one.key] == one.height_m).all()
        assert one.height_m >= 2


def test_uses_suit_the_zone_and_are_known(city: City, footprints: list[Footprint]) -> None:
    for label, uses in USES.items():
        assert all(use in scheme.find("building_use").codes for use, _ in uses)
        assert label in (6, 8) or all(label in ZONES[use] for use, _ in uses), label
    for one in footprints:
        assert one.use in dict(USES[city.neighbourhoods[one.key >> 32].label])


def test_a_building_is_the_same_in_another_window(city: City, footprints: list[Footprint]) -> None:
    wider = {one.key: one for one in find_footprints(city, Window(rows=(30, 90), columns=(30, 90)))}
    assert len(footprints) > 30
    for one in footprints:
        assert (one.use, one.height_m) == (wider[one.key].use, wider[one.key].height_m)


def test_the_file_is_geojson_that_says_it_is_made_up(footprints: list[Footprint], tmp_path: Path) -> None:
    first, again = (write_footprints(footprints, tmp_path / name) for name in ("a.geojson", "b.geojson"))
    assert first.read_bytes() == again.read_bytes()
    page = json.loads(first.read_text())
    assert len(page["features"]) == len(footprints)
    assert {feature["properties"]["simulated"] for feature in page["features"]} == {"yes"}
    outline = shapely.from_geojson(json.dumps(page["features"][0]["geometry"]))
    assert outline.is_valid
    assert outline.equals_exact(footprints[0].outline, 2e-7, normalize=True)
