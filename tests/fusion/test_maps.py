"""Maps: classes, colours and confidence come back as written, in files that others can read."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform_bounds
from rio_cogeo.cogeo import cog_validate

from fusion import scheme
from fusion.errors import BadInputError
from fusion.maps import read_map, render_confidence, render_map, write_map
from fusion.scheme import LabelClass, Scheme

GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)


@pytest.fixture
def lcz() -> Scheme:
    return scheme.find("lcz17")


def make_index(size: int = 80, cell: int = 8) -> np.ndarray:
    blocks = np.random.default_rng(2).integers(-1, 17, (size // cell, size // cell))
    blocks[0, 0], blocks[0, 1] = -1, 16
    return np.kron(blocks, np.ones((cell, cell), int))


def test_classes_come_back_as_written(tmp_path: Path, lcz: Scheme) -> None:
    index = make_index()
    files = write_map(tmp_path / "a.tif", index, None, lcz, 32632, GRID)
    np.testing.assert_array_equal(read_map(files.path, lcz), index)
    assert files.confidence_path is None


def test_the_map_is_a_valid_cog_with_palette_name_and_nodata(tmp_path: Path, lcz: Scheme) -> None:
    index = make_index(1100, 11)
    files = write_map(tmp_path / "a.tif", index, np.full(index.shape, 0.5), lcz, 32632, GRID, tags={"SIMULATED": "yes"})
    assert cog_validate(files.path, strict=True) == (True, [], [])
    assert cog_validate(files.confidence_path, strict=True) == (True, [], [])
    with rasterio.open(files.path) as dataset:
        palette = dataset.colormap(1)
        assert (dataset.dtypes, dataset.nodata, dataset.descriptions) == (("uint8",), 0, (lcz.title,))
        assert dataset.tags()["SIMULATED"] == "yes"
        stored = dataset.read(1)
    assert stored.max() == 17
    for label in lcz.classes:
        assert "#{:02x}{:02x}{:02x}".format(*palette[label.value][:3]) == label.colour


def test_overviews_take_the_most_frequent_class_not_a_mean(tmp_path: Path, lcz: Scheme) -> None:
    index = np.zeros((1024, 1024), int)
    index[::2, ::2] = 16
    files = write_map(tmp_path / "a.tif", index, None, lcz, 32632, GRID)
    with rasterio.open(files.path) as dataset:
        assert dataset.overviews(1) == [2]
    with rasterio.open(files.path, overview_level=0) as dataset:
        assert set(np.unique(dataset.read(1)).tolist()) == {1}


def test_confidence_is_per_cent_and_empty_where_there_is_no_class(tmp_path: Path, lcz: Scheme) -> None:
    index = make_index()
    confidence = np.random.default_rng(0).random(index.shape)
    confidence[index < 0] = np.nan
    files = write_map(tmp_path / "a.tif", index, confidence, lcz, 32632, GRID)
    assert files.confidence_path == tmp_path / "a_confidence.tif"
    with rasterio.open(files.confidence_path) as dataset:
        stored = dataset.read(1)
        assert (dataset.nodata, dataset.scales) == (255, (0.01,))
    np.testing.assert_allclose(stored[index >= 0] * 0.01, confidence[index >= 0], atol=0.00501)
    assert (stored[index < 0] == 255).all()


def test_the_style_for_qgis_has_the_scheme_s_classes(tmp_path: Path, lcz: Scheme) -> None:
    files = write_map(tmp_path / "a.tif", make_index(), None, lcz, 32632, GRID)
    assert files.style_path == tmp_path / "a.qml"
    root = ElementTree.parse(files.style_path).getroot()
    renderer = root.find("pipe/rasterrenderer")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    found = [(entry.get("value"), entry.get("color"), entry.get("label")) for entry in root.iter("paletteEntry")]
    assert found == [(str(label.value), label.colour, f"{label.code} {label.name}") for label in lcz.classes]


def test_the_overlay_has_the_scheme_s_colours_and_the_map_s_place(tmp_path: Path, lcz: Scheme) -> None:
    index = make_index()
    files = write_map(tmp_path / "a.tif", index, None, lcz, 32632, GRID)
    image, bounds = render_map(files.path, lcz, longest_side=200)
    assert image.shape[2] == 4
    assert max(image.shape[:2]) == 200
    assert bounds == pytest.approx(transform_bounds("EPSG:32632", "EPSG:4326", 600_000, 5_299_680, 600_800, 5_300_480))
    colours = {tuple(colour) for colour in image[image[..., 3] > 0][:, :3].tolist()}
    wanted = {tuple(bytes.fromhex(lcz.classes[place].colour[1:])) for place in np.unique(index) if place >= 0}
    assert colours == wanted
    assert tuple(image[10, 30][:3]) == tuple(bytes.fromhex(lcz.classes[16].colour[1:]))
    assert image[10, 10, 3] == 0


def test_the_overlay_over_the_antimeridian_stays_in_one_piece(tmp_path: Path, lcz: Scheme) -> None:
    grid = (10.0, 0.0, 165_600.0, 0.0, -10.0, 10_340.0)
    files = write_map(tmp_path / "a.tif", make_index(), None, lcz, 32601, grid)
    _, (west, south, east, north) = render_map(files.path, lcz, longest_side=50)
    assert (east - west, north - south) == pytest.approx((0.0072, 0.0072), abs=0.0005)


def test_a_large_map_is_rendered_from_its_overviews(tmp_path: Path, lcz: Scheme) -> None:
    index = make_index(1100, 110)
    files = write_map(tmp_path / "a.tif", index, None, lcz, 32632, GRID)
    small, bounds = render_map(files.path, lcz, longest_side=100)
    large, same = render_map(files.path, lcz, longest_side=1100)
    assert bounds == same
    rows = np.linspace(0, large.shape[0] - 1, small.shape[0]).round().astype(int)
    columns = np.linspace(0, large.shape[1] - 1, small.shape[1]).round().astype(int)
    assert (small == large[rows][:, columns]).all(axis=2).mean() > 0.9


def test_confidence_is_drawn_from_black_to_white(tmp_path: Path, lcz: Scheme) -> None:
    index = np.zeros((40, 40), int)
    index[:, 20:] = -1
    confidence = np.where(np.arange(40)[:, None] < 20, 0.2, 1.0) * np.ones((1, 40))
    files = write_map(tmp_path / "a.tif", index, confidence, lcz, 32632, GRID)
    assert files.confidence_path is not None
    image, _ = render_confidence(files.confidence_path, longest_side=40)
    assert image[5, 5].tolist() == [51, 51, 51, 255]
    assert image[35, 5].tolist() == [255, 255, 255, 255]
    assert image[5, 35, 3] == 0


def test_a_map_of_another_scheme_is_refused(tmp_path: Path, lcz: Scheme) -> None:
    files = write_map(tmp_path / "a.tif", make_index(), None, lcz, 32632, GRID)
    other = scheme.find("water")
    for read in (read_map, render_map):
        with pytest.raises(BadInputError, match="map of scheme 'lcz17', not of 'water'"):
            read(files.path, other)


@pytest.mark.parametrize("bad", [17, -2])
def test_an_index_outside_the_scheme_is_refused(tmp_path: Path, lcz: Scheme, bad: int) -> None:
    with pytest.raises(BadInputError, match=r"-1\.\.16"):
        write_map(tmp_path / "a.tif", np.full((4, 4), bad), None, lcz, 32632, GRID)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("confidence", [np.full((4, 4), 1.1), np.full((4, 4), np.nan), np.full((2, 4), 0.5)])
def test_a_confidence_that_is_none_is_refused(tmp_path: Path, lcz: Scheme, confidence: np.ndarray) -> None:
    with pytest.raises(BadInputError, match="Confidence must be 0"):
        write_map(tmp_path / "a.tif", np.zeros((4, 4), int), confidence, lcz, 32632, GRID)


def test_a_scheme_without_raster_values_is_refused(tmp_path: Path) -> None:
    label = LabelClass(code="x", name="X", colour="#000000", ink="#ffffff", key="X")
    with pytest.raises(BadInputError, match="no distinct raster values"):
        write_map(
            tmp_path / "a.tif", np.zeros((4, 4), int), None, Scheme(name="s", title="S", version=1, classes=(label,)),
            32632, GRID,
        )  # fmt: skip
