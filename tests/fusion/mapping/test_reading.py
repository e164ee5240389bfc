"""What windows see of scenes: pixels as stored, mirrored beyond the border, 0 where nothing is."""

import http.server
import threading

import numpy as np
import pytest

from fusion.errors import BadInputError, ForbiddenAddressError
from fusion.mapping.layout import MapLayout
from fusion.mapping.reading import SceneReader, shift_values
from fusion.mapping.spec import ArrayWords, DateWords, FileWords
from fusion.sources import geotiff
from tests.fusion.mapping.scenes import EPSG, TRANSFORM, make_values, write_scenes_to
from tests.fusion.sources.stac.store import Handler

H, W = 90, 70


@pytest.fixture
def server(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.heard, running.folder, running.daemon_threads = [], tmp_path, True
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


def read(scenes, tile, size=16, shape=(H, W), **words):
    layout = MapLayout(height=shape[0], width=shape[1], size=size, output="vector")
    windows = layout.find_windows(tile)
    with SceneReader(scenes, *shape, **words) as reader:
        return windows, *reader.read(windows)


def cut(values, windows, place):
    """A window as cutting it from the whole padded scene gives it."""
    padded = np.pad(values, ((0, 0), (99, 99), (99, 99)), mode="symmetric")
    row, column = divmod(place, windows.across)
    y, x = windows.top + row * windows.stride + 99, windows.left + column * windows.stride + 99
    return padded[:, y : y + windows.size, x : x + windows.size]


@pytest.mark.parametrize("tile", [(0, 0, 9, 7), (2, 2, 3, 3), (8, 6, 1, 1), (0, 5, 4, 2)])
def test_every_window_of_a_tile_holds_what_it_would_be_cut_from_the_whole_scene(tmp_path, tile):
    values = make_values(H, W)
    windows, stored, valid = read(write_scenes_to(tmp_path, values), tile)
    assert valid.all()
    for name, whole in values.items():
        assert stored[name].dtype == whole.dtype
        for place in range(len(windows)):
            row, column = divmod(place, windows.across)
            y, x = row * windows.stride, column * windows.stride
            mine = stored[name][0, :, y : y + 16, x : x + 16]
            np.testing.assert_array_equal(mine, cut(whole, windows, place))


def test_a_scene_smaller_than_a_window_is_mirrored_as_often_as_needed(tmp_path):
    values = make_values(12, 12)
    windows, stored, _ = read(write_scenes_to(tmp_path, values), (0, 0, 1, 1), size=64, shape=(12, 12))
    np.testing.assert_array_equal(stored["sentinel2"][0], cut(values["sentinel2"], windows, 0))


def test_a_pixel_without_data_in_any_file_is_zero_in_every_band_of_its_array(tmp_path):
    values = make_values(H, W)
    values["sentinel2"][3, 40, 30] = 0
    values["sentinel1"][2, 41, 31] = np.nan
    _, stored, valid = read(write_scenes_to(tmp_path, values), (2, 1, 4, 4))
    top, left = 20 - 3, 10 - 3
    assert not valid[40 - top, 30 - left]
    assert not valid[41 - top, 31 - left]
    assert (~valid).sum() == 2
    assert (stored["sentinel2"][0, :, 40 - top, 30 - left] == 0).all()
    assert (stored["sentinel1"][0, :, 41 - top, 31 - left] == 0).all()
    assert (stored["sentinel2"][0, :, 41 - top, 31 - left] > 0).all()


def test_bands_come_from_several_files_in_the_order_that_is_asked_for(tmp_path):
    values = make_values(H, W)["sentinel2"]
    files = []
    for name, place in (("B2", 0), ("B3", 1)):
        path = tmp_path / f"{name}.tif"
        geotiff.write_cog(path, values[place : place + 1], epsg=EPSG, transform=TRANSFORM, band_names=[name])
        files.append(FileWords(uri=str(path), bands=(name,), wanted=(name,)))
    scenes = {"a": ArrayWords(bands=("B3", "B2"), dates=(DateWords(files=tuple(files)),))}
    _, stored, _ = read(scenes, (3, 3, 1, 1))
    np.testing.assert_array_equal(stored["a"][0], values[[1, 0], 27:43, 27:43])
    lacking = {"a": ArrayWords(bands=("B3", "B4"), dates=(DateWords(files=tuple(files)),))}
    with pytest.raises(BadInputError, match="No file of the scene holds B4"):
        read(lacking, (3, 3, 1, 1))


def test_a_series_has_its_dates_in_order(tmp_path):
    one, two = (write_scenes_to(tmp_path / str(seed), make_values(H, W, seed)) for seed in (0, 1))
    dates = (two["sentinel2"].dates[0], one["sentinel2"].dates[0])
    _, stored, _ = read({"s": ArrayWords(bands=one["sentinel2"].bands, dates=dates)}, (1, 1, 2, 2))
    assert stored["s"].shape == (2, 10, 26, 26)
    np.testing.assert_array_equal(stored["s"][1], make_values(H, W, 0)["sentinel2"][:, 7:33, 7:33])


@pytest.mark.parametrize(("nodata", "wanted"), [(0, [0, 1, 1, 4000]), (None, [0, 0, 0, 4000])])
def test_numbers_are_moved_to_the_offset_that_the_network_knows(nodata, wanted):
    values = np.array([0, 1, 1000, 5000], dtype=np.uint16)
    moved = shift_values(values, -1000, nodata)
    assert moved.dtype == np.uint16
    assert moved.tolist() == wanted
    reals = values.astype(np.float32)
    assert shift_values(reals, -1000, None) is reals


def test_a_scene_far_away_is_read_only_from_hosts_on_the_list(tmp_path):
    file = FileWords(uri="https://example.invalid/s2.tif", bands=("B2",), wanted=("B2",))
    scenes = {"a": ArrayWords(bands=("B2",), dates=(DateWords(files=(file,)),))}
    with pytest.raises(ForbiddenAddressError, match="not on the list"):
        read(scenes, (1, 1, 1, 1))


def test_a_scene_far_away_is_read_in_place_by_window(tmp_path, server):
    values = {"sentinel2": make_values(600, 500)["sentinel2"]}
    local = write_scenes_to(tmp_path, values)["sentinel2"]
    own = local.dates[0].files[0]
    address = f"http://127.0.0.1:{server.server_port}/sentinel2.tif"
    file = FileWords(uri=address, bands=own.bands, wanted=own.wanted, nodata=own.nodata)
    away = ArrayWords(bands=local.bands, dates=(DateWords(files=(file,)),))
    allowed = {"host": "127.0.0.1", "port": server.server_port, "is_plain_allowed": True, "is_private_allowed": True}
    words = {"shape": (600, 500), "hosts": [allowed]}
    _, stored, valid = read({"sentinel2": away}, (20, 20, 3, 3), **words)
    _, wanted, _ = read({"sentinel2": local}, (20, 20, 3, 3), shape=(600, 500))
    assert valid.all()
    np.testing.assert_array_equal(stored["sentinel2"], wanted["sentinel2"])
    assert server.heard
