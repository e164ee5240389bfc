"""Maps of any size: written tile by tile, with a band for each kind of doubt, as files that others can read."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from fusion import maps, scheme
from fusion.mapping.tiles import describe_tile
from fusion.maps import Drawn, render_confidence, render_flags, render_values, write_class_map, write_field_map

GRID = (100.0, 0.0, 600_000.0, 0.0, -100.0, 5_300_480.0)
LCZ = scheme.find("lcz17")
SHAPE = (70, 50)
TILES = [(0, 0, 40, 30), (0, 30, 40, 20), (40, 0, 30, 30), (40, 30, 30, 20)]


def make_shares(shape=SHAPE, seed=0):
    values = np.random.default_rng(seed).gamma(0.3, size=(17, *shape)).astype(np.float32) + 1e-6
    return values / values.sum(axis=0)


def make_drawn(found, seen=None, tiles=TILES, shape=SHAPE, **tags):
    """A map as its tiles are kept; the north-east tile holds nothing."""
    seen = np.ones(shape, bool) if seen is None else seen

    def read(tile):
        row, column, rows, columns = tile
        own = (slice(row, row + rows), slice(column, column + columns))
        parts = {name: values[:, *own] for name, values in found.items()} if seen[own].any() else {}
        return describe_tile(parts, seen[own], np.full((rows, columns), 0.75, np.float32), keep=True)

    return Drawn(tiles=tiles, read=read, shape=shape, epsg=32632, transform=GRID, tags={"SIMULATED": "yes", **tags})


@pytest.fixture
def seen():
    mask = np.ones(SHAPE, bool)
    mask[:40, 30:] = False
    mask[5, 5] = False
    return mask


def test_classes_are_those_of_a_map_written_at_once(tmp_path: Path, seen) -> None:
    shares = make_shares()
    files = write_class_map(tmp_path / "a.tif", make_drawn({"probability": shares}, seen), LCZ)
    index = np.where(seen, shares.argmax(axis=0), -1)
    np.testing.assert_array_equal(maps.read_map(files.path, LCZ), index)
    whole = maps.write_map(tmp_path / "b.tif", index, None, LCZ, 32632, GRID)
    assert files.style_path is not None
    assert files.style_path.read_bytes() == whole.style_path.read_bytes()
    with rasterio.open(files.path) as one, rasterio.open(whole.path) as two:
        assert one.colormap(1) == two.colormap(1)
        assert one.tags()["SIMULATED"] == "yes"
        assert (one.crs, one.transform, one.nodata, one.descriptions) == (
            two.crs, two.transform, two.nodata, two.descriptions,
        )  # fmt: skip


def test_every_band_is_per_cent_and_empty_where_there_is_no_class(tmp_path: Path, seen) -> None:
    shares = make_shares()
    found = {
        "probability": shares,
        "disagreement": np.full((1, *SHAPE), 0.5, np.float32),
        "out_of_domain": (shares.max(axis=0, keepdims=True) < 0.3).astype(np.float32),
    }
    files = write_class_map(tmp_path / "a.tif", make_drawn(found, seen), LCZ)
    assert files.bands == ("probability", "entropy", "validity", "disagreement", "out_of_domain")
    assert cog_validate(files.path, strict=True) == (True, [], [])
    assert cog_validate(files.layers_path, strict=True) == (True, [], [])
    with rasterio.open(files.layers_path) as file:
        assert file.descriptions == ("Probability", "Entropy", "Validity", "Disagreement", "Out of domain")
        assert (set(file.dtypes), file.nodata, set(file.scales)) == ({"uint8"}, 255, {0.01})
        assert file.tags()["SIMULATED"] == "yes"
        probability, entropy, validity, disagreement, flags = file.read()
    np.testing.assert_allclose(probability[seen], 100 * shares.max(axis=0)[seen], atol=0.501)
    exact = -(shares * np.log(shares)).sum(axis=0) / np.log(17)
    np.testing.assert_allclose(entropy[seen], 100 * exact[seen], atol=0.51)
    assert set(validity[seen].tolist()) == {75}
    assert set(disagreement[seen].tolist()) == {round(100 * 0.5 / np.log(17))}
    assert set(flags[seen].tolist()) == {0, 100}
    for band in (probability, entropy, validity, flags):
        assert set(band[~seen].tolist()) == {255}


def test_probabilities_of_all_classes_are_a_further_file_where_asked_for(tmp_path: Path, seen) -> None:
    shares = make_shares()
    drawn = make_drawn({"probability": shares}, seen)
    assert write_class_map(tmp_path / "a.tif", drawn, LCZ).probabilities_path is None
    files = write_class_map(tmp_path / "b.tif", drawn, LCZ, keep_probabilities=True)
    assert files.probabilities_path is not None
    assert cog_validate(files.probabilities_path, strict=True) == (True, [], [])
    with rasterio.open(files.probabilities_path) as file:
        assert file.descriptions[:2] == ("1 Compact high-rise", "2 Compact mid-rise")
        stored = file.read()
    np.testing.assert_allclose(stored[:, seen], 100 * shares[:, seen], atol=0.501)
    assert set(stored[:, ~seen].ravel().tolist()) == {255}


def test_a_field_is_stored_in_its_unit_with_its_standard_deviation(tmp_path: Path, seen) -> None:
    mean = np.random.default_rng(0).normal(12, 3, (2, *SHAPE)).astype(np.float32)
    found = {"mean": mean, "variance": np.full((2, *SHAPE), 4.0, np.float32)}
    files = write_field_map(tmp_path / "a.tif", make_drawn(found, seen), ["height", "slope"])
    assert cog_validate(files.path, strict=True) == (True, [], [])
    with rasterio.open(files.path) as file:
        assert file.descriptions == ("height", "slope", "height, standard deviation", "slope, standard deviation")
        stored = file.read()
    np.testing.assert_array_equal(stored[:2][:, seen], mean[:, seen])
    assert np.isnan(stored[:, ~seen]).all()
    assert set(stored[2:][:, seen].ravel().tolist()) == {2.0}
    assert files.bands == ("validity",)
    image, _ = render_values(files.path, 6, 18, band="height", longest_side=70)
    assert image[..., 3].max() == 255
    assert len({tuple(colour) for colour in image[image[..., 3] > 0][:, :3].tolist()}) > 50


def test_each_band_is_a_picture_of_its_own(tmp_path: Path) -> None:
    shares = make_shares()
    flags = np.zeros((1, *SHAPE), np.float32)
    flags[0, :10] = 1
    files = write_class_map(tmp_path / "a.tif", make_drawn({"probability": shares, "out_of_domain": flags}), LCZ)
    one, two = (
        render_confidence(files.layers_path, band=band, longest_side=70)[0] for band in ("Probability", "Entropy")
    )
    assert not np.array_equal(one, two)
    image, _ = render_flags(files.layers_path, band="Out of domain", longest_side=70)
    assert (image[2, 20:40, 3] == 255).all()
    assert (image[40, 20:40, 3] == 0).all()


def test_one_class_alone_is_drawn_where_it_is_likelier_than_not() -> None:
    share = np.array([[[0.2, 0.7]]], np.float32)
    kept = describe_tile({"probability": share}, np.ones((1, 2), bool), np.ones((1, 2), np.float32), keep=False)
    assert kept["places"].tolist() == [[-1, 0]]
    assert kept["probability"][0].tolist() == [[80, 70]]


def test_nothing_half_written_is_left_when_a_tile_fails(tmp_path: Path) -> None:
    drawn = make_drawn({"probability": make_shares()})
    calls = []

    def read(tile):
        calls.append(tile)
        if len(calls) > len(TILES) + 2:
            raise RuntimeError("the disk went away")
        return drawn.read(tile)

    broken = Drawn(tiles=TILES, read=read, shape=SHAPE, epsg=32632, transform=GRID, tags={})
    with pytest.raises(RuntimeError, match="went away"):
        write_class_map(tmp_path / "a.tif", broken, LCZ)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_memory_stays_bounded_whatever_the_size_of_a_map(tmp_path: Path) -> None:
    """A map of 144 million pixels (a Sentinel-2 tile at 10 m has 121) in a child, within 700 MB more than at rest."""
    side, step = 12_000, 1_000
    child = os.fork()
    if child == 0:
        try:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            place = np.zeros((step, step), np.int16)
            flat = np.full((1, step, step), 50, np.uint8)
            tile = {"places": place, "probability": flat, "entropy": flat, "validity": flat}
            tiles = [(row, column, step, step) for row in range(0, side, step) for column in range(0, side, step)]
            drawn = Drawn(tiles=tiles, read=lambda _: tile, shape=(side, side), epsg=32632, transform=GRID, tags={})
            write_class_map(tmp_path / "a.tif", drawn, LCZ)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            os._exit(0 if grown < 700_000 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cog_validate(tmp_path / "a.tif", strict=True)[0]
