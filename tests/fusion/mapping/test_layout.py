"""Where windows lie: each map pixel in the middle of its own, every pixel of a blended map under four."""

import numpy as np
import pytest

from fusion.errors import SpecError
from fusion.mapping.layout import MapLayout, count_steps, mirror, split_rows, weigh
from fusion.mapping.spec import read_scenes, read_spec, write_scenes

WORDS = {"checkpoint": "c", "scenes": {"a": {}}, "height": 9, "width": 9, "tiles": [], "output": "o"}


@pytest.mark.parametrize(("length", "steps"), [(1, 0), (5, 0), (6, 1), (15, 1), (16, 2), (128, 13), (100, 10)])
def test_a_map_pixel_is_where_its_centre_lies_on_the_scene(length, steps):
    assert count_steps(length) == steps == sum(centre < length for centre in range(5, length + 10, 10))


@pytest.mark.parametrize("size", [16, 32, 33])
def test_the_window_of_a_map_pixel_has_it_in_its_middle(size):
    layout = MapLayout(height=300, width=200, size=size, output="vector")
    windows = layout.find_windows((3, 2, 4, 5))
    assert (windows.down, windows.across, windows.stride) == (4, 5, 10)
    assert windows.top + size // 2 == 3 * 10 + 5
    assert windows.left + size // 2 == 2 * 10 + 5


@pytest.mark.parametrize("size", [8, 16, 32, 7])
def test_tiles_of_a_blended_map_have_every_window_that_touches_them(size):
    layout = MapLayout(height=100, width=90, size=size, output="map")
    for tile in layout.list_tiles(40 * 40):
        windows = layout.find_windows(tile)
        first = {windows.top + place * windows.stride for place in range(windows.down)}
        stride = layout.stride
        all_tops = range(-10 * stride, 100 + stride, stride)
        wanted = {top for top in all_tops if top + size > tile[0] and top < tile[0] + tile[2]}
        needed = {top for top in wanted if top >= -stride}  # a window further out has the weight of none
        assert needed <= first


@pytest.mark.parametrize("output", ["vector", "map"])
@pytest.mark.parametrize("shape", [(333, 517), (20, 900), (64, 64)])
def test_tiles_cover_the_map_once(output, shape):
    layout = MapLayout(height=shape[0], width=shape[1], size=32, output=output)
    seen = np.zeros(layout.shape, dtype=int)
    for row, column, rows, columns in layout.list_tiles(100 * 100):
        seen[row : row + rows, column : column + columns] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("size", [8, 32, 256])
def test_weights_of_overlapping_windows_sum_to_one(size):
    weight = weigh(size)
    half = size // 2
    sums = sum(weight[y : y + half, x : x + half] for y in (0, half) for x in (0, half))
    np.testing.assert_allclose(sums, 1, atol=1e-6)
    assert weight[0].max() < 2.5 / size**2 < 2.5 * weight[0].max()


@pytest.mark.parametrize(("first", "count", "length"), [(-5, 20, 8), (0, 8, 8), (3, 40, 5), (-40, 100, 7)])
def test_a_mirrored_line_is_as_numpy_pads_it(first, count, length):
    line = np.pad(np.arange(length), 200, mode="symmetric")[200 + first : 200 + first + count]
    np.testing.assert_array_equal(mirror(first, count, length), line)


def test_batches_are_whole_rows_of_windows():
    windows = MapLayout(height=200, width=300, size=32, output="vector").find_windows((0, 0, 20, 30))
    rows = list(split_rows(windows, 100))
    assert rows[0] == (0, 3)
    assert rows[-1][1] == 20
    assert [first for first, _ in rows[1:]] == [end for _, end in rows[:-1]]
    assert next(split_rows(windows, 7)) == (0, 1)


def test_scenes_come_back_from_their_words():
    file = {"uri": "/a.tif", "bands": ["B2", "B3"], "wanted": ["B3"], "nodata": 0.0}
    scenes = {"s2": {"bands": ["B3"], "offset": -1000.0, "dates": [{"shift": 5, "files": [file]}]}}
    spec = read_spec({**WORDS, "scenes": scenes})
    words = read_scenes(spec)["s2"]
    assert (words.offset, words.dates[0].shift, words.dates[0].files[0].wanted) == (-1000.0, 5, ("B3",))
    again = read_spec({**WORDS, "scenes": write_scenes(read_scenes(spec))})
    assert read_scenes(again) == read_scenes(spec)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"tiles": [[1, 2, 3]]}, "tiles must hold"),
        ({"height": 0}, "at least one pixel"),
        ({"surprise": 1}, "'surprise' is not a field"),
        ({"scenes": {}}, "A map needs scenes"),
    ],
)
def test_words_that_make_no_map_are_named(words, message):
    with pytest.raises(SpecError, match=message):
        read_spec({**WORDS, **words})


@pytest.mark.parametrize("scene", [{"bands": ["a"]}, {"bands": ["a"], "dates": []}, {"dates": [{"files": [{}]}]}, 7])
def test_scenes_that_say_too_little_are_refused(scene):
    with pytest.raises(SpecError):
        read_scenes(read_spec({**WORDS, "scenes": {"s2": scene}}))
