"""Maps of cells lie on the ground: meridians and parallels where they are, pictures under the right cells."""

import re

import pytest

from fusion import scheme as schemes
from fusion.grid import cell_at
from geoquorum.figures.cells import Square
from geoquorum.figures.ground import LEFT_PX, TOP_PX, Underlay, ground_map

LCZ = schemes.find("lcz17")


def draw(lon: float, lat: float, *, cells: int = 8, underlays: tuple[Underlay, ...] = (), code: str = "6") -> str:
    """A square of cells whose south-west one holds a place."""
    cell = cell_at(lon, lat)
    squares = [
        Square(column=cell.column + x, row=cell.row + y, code=code, words="<b>")
        for x in range(cells)
        for y in range(cells)
    ]
    return ground_map(LCZ, squares, underlays, epsg=cell.epsg, size_m=cell.size_m, title="Test")


def test_a_parallel_crosses_the_cell_that_it_runs_through():
    drawn = draw(7.5, 50.9)
    label = re.search(r'<text x="[\d.]+" y="([\d.]+)"[^>]*>50\.91° N<', drawn)
    side = float(re.search(r'<rect x="[\d.]+" y="[\d.]+" width="([\d.]+)"', drawn)[1])
    rows_down = (float(label[1]) - 4 - TOP_PX) / side - 1  # one row of cells lies above the squares
    rows_up = cell_at(7.5, 50.91).row - cell_at(7.5, 50.9).row
    assert rows_down == pytest.approx(8 - rows_up - 0.5, abs=0.6)


@pytest.mark.parametrize(("lon", "lat", "words"), [(-70.6, -33.4, ("° W", "° S")), (100.5, 13.7, ("° E", "° N"))])
def test_degrees_are_named_by_their_side(lon, lat, words):
    drawn = draw(lon, lat)
    assert all(word in drawn for word in words)
    assert " km<" in drawn or " m<" in drawn
    assert "N ↑" in drawn


def test_a_picture_lies_under_the_cells_that_it_shows():
    cell = cell_at(7.5, 50.9)
    drawn = draw(7.5, 50.9, underlays=(Underlay(url="/p?a=1&b=2", column=cell.column, row=cell.row + 7, side=8),))
    image = re.search(r'<image href="/p\?a=1&amp;b=2" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', drawn)
    squares = [tuple(map(float, one)) for one in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="[\d.]+"', drawn)]
    assert (float(image[1]), float(image[2])) == (min(x for x, _y in squares), min(y for _x, y in squares))
    assert float(image[3]) == pytest.approx(
        8 * float(re.search(r'<rect x="[\d.]+" y="[\d.]+" width="([\d.]+)"', drawn)[1])
    )
    assert drawn.index("<image") < drawn.index("<rect x=")


def test_words_are_text_and_the_map_of_one_cell_has_room_for_its_scale():
    drawn = draw(7.5, 50.9, cells=1)
    assert "<b>" not in drawn
    assert "&lt;b&gt;" in drawn
    assert float(re.search(r'viewBox="0 0 ([\d.]+) ', drawn)[1]) >= LEFT_PX + 320
