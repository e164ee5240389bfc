"""Patches lie inside their areas, rare classes densely, big areas thinned; what cannot be cut is named."""

import random
import re
from itertools import combinations

import numpy as np
import pytest
import shapely
import shapely.affinity
from pyproj import Transformer
from shapely.geometry import LineString, MultiPolygon, Polygon, box

from fusion.areas import Area, Balance, Patch, list_cells, sample_areas
from fusion.errors import BadInputError
from fusion.grid import parse_cell

TO_LONLAT = Transformer.from_crs(32632, 4326, always_xy=True)
WEST, SOUTH = 320 * 1875, 320 * 17000  # a corner of the grid in zone 32


def square(name: str, code: str, west: float, south: float, cells: float, high: float | None = None) -> Area:
    """An area of so many cells, from a corner counted in cells."""
    ring = shapely.segmentize(box(west, south, west + cells, south + (high or cells)), 0.5) if cells else Polygon()
    ground = shapely.transform(ring, lambda xy: np.column_stack(TO_LONLAT.transform(*(xy * 320 + (WEST, SOUTH)).T)))
    return Area(id=name, code=code, polygon=ground)


def ground_of(area: Area, epsg: int = 32632) -> shapely.Geometry:
    into = Transformer.from_crs(4326, epsg, always_xy=True).transform
    return shapely.transform(shapely.segmentize(area.polygon, 0.001), into, interleaved=False)


def share_ground(one: Patch, two: Patch) -> bool:
    return box(*one.bounds).intersection(box(*two.bounds)).area > 1


def test_an_area_gives_the_cells_that_lie_wholly_inside():
    area = square("a", "2", 0.5, 0.5, 4)
    found = sample_areas([area], Balance(target=100, finest_m=320)).patches
    assert len(found) == 9
    for patch in found:
        assert patch.share == 1
        assert patch.cell is not None
        assert patch.bounds == parse_cell(patch.id).bounds
        assert ground_of(area).buffer(0.1).contains(box(*patch.bounds))


def test_the_cells_inside_an_outline_are_the_patches_that_it_gives():
    area = square("a", "2", 0.5, 0.5, 4)
    found = sample_areas([area], Balance(target=100, finest_m=320)).patches
    assert sorted(cell.id for cell in list_cells(area.polygon)) == sorted(patch.id for patch in found)
    assert list_cells(square("b", "2", 0.5, 0.5, 0.9).polygon) == []


def test_a_cell_drawn_to_the_brim_is_inside():
    (patch,) = sample_areas([square("a", "2", 3, 2, 1)], Balance(target=1)).patches
    assert patch.bounds == (WEST + 960, SOUTH + 640, WEST + 1280, SOUTH + 960)


def test_a_stated_share_takes_cells_over_the_border():
    areas = [square("a", "2", 0.4, 0, 4, 2)]  # its first column is inside by 0.6, its last by 0.4
    whole, most, half = (
        sample_areas(areas, Balance(target=100, least_share=share, finest_m=320)).patches for share in (1.0, 0.55, 0.3)
    )
    assert (len(whole), len(most), len(half)) == (6, 8, 10)
    assert sorted({round(patch.share, 2) for patch in half}) == [0.4, 0.6, 1.0]


def test_rare_classes_are_laid_densely_and_big_areas_thinned():
    areas = [square("lake", "G", 0, 0, 20), square("yard", "10", 30, 0, 2), square("wood", "A", 40, 0, 5)]
    found = sample_areas(areas, Balance(target=25))
    assert found.counts == {"10": 25, "A": 25, "G": 25}
    assert found.stride_m == {"10": 80, "A": 320, "G": 320}
    yard = [patch for patch in found.patches if patch.code == "10"]
    assert sum(patch.cell is not None for patch in yard) == 4  # those on the grid come first
    assert any(share_ground(one, two) for one, two in combinations(yard, 2))
    assert all(ground_of(areas[1]).buffer(0.1).contains(box(*patch.bounds)) for patch in yard)
    assert len({patch.id for patch in found.patches}) == 75


def test_the_usual_target_is_what_the_middle_class_has():
    areas = [square("lake", "G", 0, 0, 20), square("yard", "10", 30, 0, 2), square("wood", "A", 40, 0, 5)]
    assert sample_areas(areas, Balance()).target == 25


def test_areas_of_a_class_give_equal_shares_and_none_more_than_the_most():
    areas = [square("big", "G", 0, 0, 10), square("small", "G", 20, 0, 2), square("other", "G", 30, 0, 6)]

    def count(**choices) -> dict[str, int]:
        patches = sample_areas(areas, Balance(finest_m=320, **choices)).patches
        return {area.id: sum(patch.area == area.id for patch in patches) for area in areas}

    assert count(target=40) == {"big": 18, "small": 4, "other": 18}
    assert count(target=40, most_per_area=10) == {"big": 10, "small": 4, "other": 10}
    assert count(target=1000) == {"big": 100, "small": 4, "other": 36}


def test_the_same_areas_and_seed_give_the_same_patches_in_any_order():
    areas = [square(f"a{number}", "GA"[number % 2], 12 * number, 0, 9) for number in range(4)]
    shuffled = random.Random(1).sample(areas, 4)
    first = sample_areas(areas, Balance(target=30, seed=1))
    assert sample_areas(shuffled, Balance(target=30, seed=1)).patches == first.patches
    assert sample_areas(areas, Balance(target=30, seed=2)).patches != first.patches
    more = sample_areas(areas, Balance(target=60, seed=1))
    assert set(first.patches) < set(more.patches)


def test_ground_of_two_classes_is_named_and_left_out():
    areas = [square("a", "2", 0, 0, 6), square("b", "3", 4, 0, 6)]
    found = sample_areas(areas, Balance(target=100, finest_m=320))
    (overlap,) = found.overlaps
    assert (overlap.areas, overlap.codes) == (("a", "b"), ("2", "3"))
    assert overlap.ground_m2 == pytest.approx(12 * 320**2, rel=0.01)
    assert "a (class 2) and b (class 3) share 122" in str(overlap)
    assert found.counts == {"2": 24, "3": 24}
    shared = shapely.intersection(ground_of(areas[0]), ground_of(areas[1])).buffer(-0.1)
    assert not any(shared.intersects(box(*patch.bounds)) for patch in found.patches)


def test_neighbours_that_only_touch_are_no_overlap():
    assert not sample_areas([square("a", "2", 0, 0, 4), square("b", "3", 4, 0, 4)], Balance()).overlaps


@pytest.mark.parametrize("share", [1.0, 0.6, 0.4])
def test_no_ground_is_in_patches_of_two_areas(share):
    """Of one class too, and where patches reach over borders: an area is a group, and groups go to different splits."""
    areas = [square("a", "2", 0, 0, 3.5), square("b", "2", 2, 0, 3.5), square("c", "3", 5.5, 0, 3)]
    found = sample_areas(areas, Balance(target=60, least_share=share)).patches
    assert {patch.area for patch in found} == {"a", "b", "c"}
    for one, two in combinations(found, 2):
        assert one.area == two.area or not share_ground(one, two)


def test_areas_without_room_are_told():
    found = sample_areas([square("a", "2", 0.5, 0.5, 0.4), square("b", "2", 3, 0, 2)], Balance())
    assert found.empty == ("a",)
    assert {patch.area for patch in found.patches} == {"b"}


with np.errstate(invalid="ignore"):
    NAMELESS = Polygon([(9, 49), (9.1, 49), (9.1, float("nan"))])
BOW = Polygon([(9, 49), (9.1, 49.1), (9.1, 49), (9, 49.1)])


@pytest.mark.parametrize(
    ("shape", "within", "said"),
    [
        (BOW, None, "not simple.*cross itself"),
        (Polygon(), None, "empty; draw it again"),
        (LineString([(9, 49), (9.1, 49.1)]), None, "LineString encloses no ground"),
        (Polygon([(9, 49), (9.1, 49), (9.2, 49)]), None, "draw it"),
        (NAMELESS, None, "no numbers"),
        (box(600_000, 5_400_000, 601_000, 5_401_000), None, "no place on Earth; give degrees, not metres"),
        (box(400, 40, 401, 41), None, "no place on Earth"),
        (box(34, 110, 34.1, 110.1), None, "swapped; give longitude first"),
        (box(48.1, 11.5, 48.2, 11.6), (11.0, 48.0, 12.0, 49.0), "swapped; give longitude first"),
        (box(13.1, 48.1, 13.2, 48.2), (11.0, 48.0, 12.0, 49.0), "outside its region"),
        (box(9, 83.9, 9.1, 84.1), None, "84 N"),
        (MultiPolygon([box(-100, 0, 100, 0.001)]), None, "wider than half"),
        (box(9, 49, 12, 52), None, "km2, the most is 10,000; divide it"),
    ],
)
def test_a_bad_outline_is_refused_in_one_sentence_and_spoils_no_other(shape, within, said):
    good = square("good", "2", 0, 0, 3)
    found = sample_areas([Area(id="bad", code="2", polygon=shape, within=within), good], Balance())
    assert list(found.refused) == ["bad"]
    assert re.search(said, found.refused["bad"]), found.refused
    assert {patch.area for patch in found.patches} == {"good"}


@pytest.mark.parametrize("lon", [179.99, -180.01, 11.99, 12.01])
def test_areas_over_a_zone_border_or_the_antimeridian_are_cut_on_both_sides(lon):
    area = Area(id="a", code="2", polygon=box(lon - 0.02, 10, lon + 0.03, 10.03))
    found = sample_areas([area], Balance(target=1000, finest_m=320)).patches
    assert len({patch.zone for patch in found}) == 2
    turned = shapely.MultiPolygon([shapely.affinity.translate(area.polygon, turn) for turn in (-360, 0, 360)])
    for patch in found:
        assert turned.buffer(1e-5).contains(patch.footprint)
        assert -180 <= patch.centre_lonlat[0] <= 180
    ground = sum(patch.size_m**2 for patch in found)
    assert 0.75 < ground / (0.05 * 111_195**2 * np.cos(np.radians(10)) * 0.03) < 1


def test_the_southern_hemisphere_has_its_own_zones():
    (epsg,) = {
        patch.epsg
        for patch in sample_areas(
            [Area(id="a", code="2", polygon=box(-46.65, -23.56, -46.63, -23.54))], Balance()
        ).patches
    }
    assert epsg == 32723


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"least_share": 0}, "share of a patch"),
        ({"target": 0}, "target must be 1"),
        ({"most_per_area": 0}, "most_per_area must be 1"),
        ({"finest_m": 640}, "finest stride"),
        ({"size_m": 325}, "not on the grid"),
        ({"pixels": 0}, "0 pixels"),
    ],
)
def test_a_balance_that_cannot_be_is_refused(choices, said):
    with pytest.raises(BadInputError, match=said):
        Balance(**choices)


def test_strides_are_whole_pixels():
    assert Balance(finest_m=10).strides_m == [320, 160, 80, 40, 20, 10]
    assert Balance(size_m=960, pixels=32).strides_m == [960, 480, 240, 120]
    assert Balance(size_m=100, pixels=10, finest_m=10).strides_m == [100, 50]


def test_an_id_given_twice_is_refused():
    with pytest.raises(BadInputError, match="'a' is named twice"):
        sample_areas([square("a", "2", 0, 0, 2), square("a", "3", 5, 0, 2)], Balance())


def test_no_area_gives_no_patch():
    assert sample_areas([], Balance()).patches == ()
