"""What pictures show: a patch's cell with its neighbours, or the whole of an area with its outline."""

import io
import json

import numpy as np
import pytest
import shapely
from django.urls import reverse
from PIL import Image
from shapely.geometry import box

from fusion import grid
from fusion.areas import list_cells
from fusion.errors import NoLocationError
from geoquorum.catalog.content import describe_samples
from geoquorum.catalog.frames import MOST_M, find_frame, read_outline, to_metres
from geoquorum.catalog.models import Sample
from tests import given

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_cache(settings, tmp_path):
    settings.GEOQUORUM_CACHE = tmp_path / "cache"


@pytest.fixture
def area():
    """An area in the middle of a made-up city, imported with a class, a name and marks."""
    region = given.city(given.project())
    x, y = (region.west + region.east) / 2, (region.south + region.north) / 2
    ring = [
        (x - 0.006, y - 0.004),
        (x + 0.006, y - 0.004),
        (x + 0.006, y + 0.003),
        (x, y + 0.004),
        (x - 0.006, y + 0.004),
    ]
    facts = {"name": "Secret quarter", "folder": "LCZ 3", "marks": ["small"], "author": "X12345678"}
    return given.area(
        region.project, shapely.Polygon(ring), code="3", region=region, cell=grid.cell_at(x, y).id, attributes=facts
    )


def lies_inside(frame, metres) -> bool:
    west, north = frame.west_m, frame.north_m
    return box(west, north - frame.size_m, west + frame.size_m, north).contains(metres)


def test_a_patch_is_shown_as_its_cell_and_the_neighbours_around_it():
    cell = grid.cell_at(9.1, 48.2)
    sample = Sample(kind="patch", key="a", cell=cell.id, width_px=32)
    assert find_frame(sample).cells == [cell]
    assert find_frame(sample, 5).cells == grid.neighbours(cell, radius=2)
    assert find_frame(sample, 5).size_m == 1600


@pytest.mark.parametrize("side", [0.0005, 0.01, 0.03, 0.1])
@pytest.mark.parametrize("middle", [(9.1, 48.2), (11.999, -33.0), (-46.6, 0.001)])
def test_an_area_fills_its_picture_and_wider_ones_show_more_around_it(side, middle):
    x, y = middle
    polygon = box(x - side, y - side / 3, x + side, y + side / 3)
    sample = Sample(kind="area", key="a", footprint=shapely.geometry.mapping(polygon), cell=grid.cell_at(x, y).id)
    frames = [find_frame(sample, context) for context in (1, 3, 5, 9)]
    assert frames[0] == frames[1]
    metres = to_metres(polygon, frames[0].epsg)
    assert all(lies_inside(frame, metres) for frame in frames)
    assert frames[1].size_m < frames[2].size_m < frames[3].size_m or frames[3].size_m >= MOST_M
    assert 960 <= frames[1].size_m <= max(1.5 * (metres.bounds[2] - metres.bounds[0]), 1280)
    assert all(frame.across * frame.pixels <= 400 for frame in frames)


def test_an_area_wider_than_any_picture_shows_its_middle():
    sample = Sample(kind="area", key="a", footprint=shapely.geometry.mapping(box(9, 48, 10, 49)))
    frame = find_frame(sample, 21)
    assert MOST_M <= frame.size_m < 1.1 * MOST_M
    middle = to_metres(shapely.Point(9.5, 48.5), frame.epsg)
    assert abs(middle.x - frame.west_m - frame.size_m / 2) < 2 * frame.cell_m


def test_an_area_without_an_outline_is_its_cell_and_without_both_it_is_nowhere():
    cell = grid.cell_at(9.1, 48.2)
    assert find_frame(Sample(kind="area", key="a", footprint={"type": "Blob"}, cell=cell.id)).cells == [cell]
    with pytest.raises(NoLocationError, match="has no place"):
        find_frame(Sample(kind="area", key="a", footprint=None))


def test_an_expert_gets_the_outline_and_nothing_that_anybody_said_of_it(area):
    told = describe_samples([area])[area.pk]["area"]
    frame = find_frame(area)
    back = shapely.Polygon([(frame.west_m + x, frame.north_m - y) for x, y in told["rings"][0]])
    metres = to_metres(read_outline(area), frame.epsg)
    assert back.symmetric_difference(metres).area < 0.01 * metres.area
    assert told["frames"][3] == [0, 0, frame.size_m]
    x, y, side = told["frames"][9]
    assert x < 0
    assert y < 0
    assert side > 2 * frame.size_m
    assert told["m2"] == pytest.approx(metres.area, rel=0.01)
    cells = list_cells(read_outline(area))
    assert len(told["cells"]) == len(cells) > 0
    assert [cells[0].bounds[0] - frame.west_m, frame.north_m - cells[0].bounds[3]] in told["cells"]
    words = json.dumps(told)
    assert not any(secret in words for secret in ("Secret", "LCZ", "small", "X12345678", '"3"'.replace("3", "code")))


def test_an_outline_that_is_none_is_told_as_nothing(area):
    area.footprint = {"type": "Polygon", "coordinates": [[[9, 49], [9.1, 49.1], [9.1, 49], [9, 49.1], [9, 49]]]}
    assert describe_samples([area])[area.pk] == {}


def test_pictures_of_an_area_are_of_its_whole_ground_and_alone_carry_its_outline(client, area):
    client.force_login(given.member(area.project))
    address = reverse("catalog:picture", args=[area.pk, "sentinel2", "true_colour"])
    plain, alone = (
        np.asarray(Image.open(io.BytesIO(client.get(f"{address}?season=summer&context={context}").content)))
        for context in (3, 1)
    )
    frame = find_frame(area)
    assert plain.shape == alone.shape == (frame.across * 16, frame.across * 16, 4)
    assert plain[..., 3].any()
    drawn = (plain != alone).any(axis=2)
    x, y = to_metres(read_outline(area), frame.epsg).exterior.coords[0]
    row, column = int((frame.north_m - y) / 10), int((x - frame.west_m) / 10)
    assert drawn[row - 2 : row + 3, column - 2 : column + 3].any()
    assert drawn.mean() < 0.2


def test_stored_values_of_an_area_cover_what_its_picture_shows(client, area):
    client.force_login(given.member(area.project))
    answer = client.get(reverse("catalog:values", args=[area.pk, "sentinel2"]) + "?season=summer")
    side = describe_samples([area])[area.pk]["area"]["values_px"]
    assert answer["X-Shape"].split(",")[1:] == [str(side), str(side)]
    assert len(answer.content) == 10 * side * side * 2
