"""On row C1, row C1b and row C2: files that pretend are refused before they open another file, write one or call out.

Side-cars beside a file change nothing of it, and what they name survives when the file is overwritten or deleted.
"""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from rasterio.warp import reproject

from fusion.errors import BadRasterError
from fusion.modality import Modality
from fusion.sources.geotiff import inspect, read_cell, read_for_web, read_tags, read_window, write_cog
from tests.fusion.sources.geotiff.disguised import CELL, DISGUISES, GRID, SECRET, disguise, write_side_cars
from tests.listening import Listener, listen

ROOT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listen() as found:
        yield found


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file elsewhere whose one value must never be seen."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return write_cog(folder / "canary.tif", np.full((1, 64, 64), SECRET, "uint16"), epsg=32632, transform=GRID)


def every_door(path: Path, modality: Modality) -> list[str]:
    """What each public reader says of a file that all of them must refuse."""
    doors = (
        lambda: inspect([path], modality),
        lambda: read_window(path),
        lambda: read_cell(path, ["value"], CELL),
        lambda: read_for_web(path),
        lambda: read_tags(path),
    )
    said = []
    for door in doors:
        with pytest.raises(BadRasterError) as caught:
            door()
        said.append(str(caught.value))
    return said


@pytest.mark.parametrize("kind", DISGUISES)
@pytest.mark.parametrize("after_a_reprojection", [False, True])
def test_a_disguised_file_is_refused_by_every_reader(
    tmp_path: Path,
    plain: Modality,
    canary: Path,
    listener: Listener,
    kind: str,
    after_a_reprojection: bool,
) -> None:
    if after_a_reprojection:  # a reprojection registers drivers again (row C1b)
        read_for_web(canary)
        reproject(
            np.ones((8, 8), "uint8"), np.zeros((8, 8), "uint8"), src_transform=Affine(*GRID), src_crs="EPSG:32632",
            dst_transform=Affine(*GRID), dst_crs="EPSG:32633",
        )  # fmt: skip
    folder = tmp_path / "upload"
    folder.mkdir()
    path = folder / "a.tif"
    path.write_bytes(disguise(kind, canary, listener.port, folder))
    before = canary.stat()
    for sentence in every_door(path, plain):
        assert "a.tif" in sentence
        assert str(SECRET) not in sentence
    assert canary.stat().st_atime_ns == before.st_atime_ns
    assert sorted(tmp_path.rglob("*")) == sorted([canary.parent, canary, folder, path])
    assert listener.heard == []


def test_the_disguises_do_open_without_our_door(tmp_path: Path, canary: Path) -> None:
    """Without this the tests above could pass because the files are harmless."""
    path = tmp_path / "a.tif"
    path.write_bytes(disguise("vrt", canary, 0, tmp_path))
    with rasterio.open(path) as dataset:
        assert (dataset.read() == SECRET).all()


def test_a_network_name_or_a_missing_file_is_no_file(tmp_path: Path) -> None:
    for name in (
        "/vsicurl/http://127.0.0.1:9/x.tif",
        "zip+file:///x.zip",
        "GTIFF_DIR:1:x.tif",
        str(tmp_path / "none.tif"),
    ):
        with pytest.raises(BadRasterError, match="no such file"):
            read_window(name)


def test_side_cars_are_never_read(
    tmp_path: Path, plain: Modality, canary: Path, write_tiff: Callable[..., Path]
) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, np.full((1, 64, 64), 5, "uint16"))
    alone = inspect([path], plain)[0]
    write_side_cars(path, canary)
    with rasterio.open(path) as dataset:  # they do work where nobody stops them
        assert dataset.tags()["OFFSET"] == "-7"
    assert inspect([path], plain)[0] == alone
    array, valid = read_window(path)
    assert valid.all()
    assert (array == 5).all()
    assert "OFFSET" not in read_tags(path)
    shown, mask, _ = read_for_web(path, longest_side=8)
    assert set(shown[0][mask].tolist()) == {5}


def test_a_lone_world_file_places_nothing(tmp_path: Path, plain: Modality, write_tiff: Callable[..., Path]) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, np.ones((1, 8, 8), "uint8"), transform=Affine.identity())
    path.with_suffix(".tfw").write_text("10\n0\n0\n-10\n600005\n5300475\n")
    with pytest.raises(BadRasterError, match="south to north"):
        inspect([path], plain)


def write_with_overview(path: Path, canary: Path) -> Path:
    """A good file whose side-car says that its overview is another file."""
    write_cog(path, np.full((1, 64, 64), 5, "uint16"), epsg=32632, transform=GRID)
    write_side_cars(path, canary)
    return path


def test_what_a_side_car_names_is_deleted_where_nobody_takes_care(tmp_path: Path, canary: Path) -> None:
    """Without this the next test could pass because the side-car is harmless."""
    path = write_with_overview(tmp_path / "a.tif", canary)
    profile = {"driver": "GTiff", "count": 1, "width": 8, "height": 8, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile):
        pass
    assert not canary.exists()


def test_what_a_side_car_names_survives_overwriting_and_deleting(tmp_path: Path, canary: Path) -> None:
    before = canary.read_bytes()
    folder = tmp_path / "upload"
    folder.mkdir()
    path = write_with_overview(folder / "a.tif", canary)
    write_cog(path, np.full((1, 64, 64), 6, "uint16"), epsg=32632, transform=GRID)
    assert (read_window(path)[0] == 6).all()
    assert canary.read_bytes() == before
    shutil.rmtree(path.parent)  # how folders of refused uploads go
    assert canary.read_bytes() == before


def test_no_code_deletes_rasters_by_a_library_that_follows_side_cars() -> None:
    """Rasters are written to names that are new and moved into place; they are deleted as plain files."""
    found = []
    for path in (path for name in ("fusion", "annotation", "platform") for path in (ROOT / name).rglob("*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "rasterio" in text else ():
            if isinstance(node, ast.ImportFrom) and node.module == "rasterio.shutil":
                found += [(path.name, name.name) for name in node.names]
            if isinstance(node, ast.Import) and any(name.name == "rasterio.shutil" for name in node.names):
                found.append((path.name, "all of it"))
    assert set(found) <= {("writing.py", "copy"), ("streaming.py", "copy")}
