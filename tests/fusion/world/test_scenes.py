"""Every other modality as files that ordinary readers take."""

from datetime import date
from pathlib import Path

import pytest

from fusion import modality as modalities
from fusion import scheme
from fusion.sources.geotiff import inspect
from fusion.sources.vectors.buildings import read_buildings
from fusion.sources.video.folders import inspect_frames, read_frame
from fusion.spectrum import declare_bands, name_bands
from fusion.world.ground import Window
from fusion.world.hyperspectral import WAVELENGTHS_NM
from fusion.world.plan import plan_world
from fusion.world.scenes import render_scenes
from fusion.world.video import render_video, write_frames
from fusion.world.world import City, World

WINDOW = Window(rows=(40, 72), columns=(32, 64))
FINE = ("lidar_heights", "aerial")


@pytest.fixture(scope="module")
def world() -> World:
    return plan_world(3, cities=1, cells=4)


@pytest.fixture(scope="module")
def city(world: World) -> City:
    return world.cities[0]


@pytest.fixture(scope="module")
def files(world: World, city: City, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return render_scenes(world, city, tmp_path_factory.mktemp("scenes"), WINDOW)


def test_the_ordinary_inspection_takes_every_raster(city: City, files: dict[str, Path]) -> None:
    rasters = {name: path for name, path in files.items() if path.suffix == ".tif"}
    assert len(rasters) == 8
    for name, path in rasters.items():
        kind = modalities.find(name)
        if kind.has_own_bands:
            kind = declare_bands(kind, name_bands(WAVELENGTHS_NM))
        [info] = inspect([path], kind)
        side, square_m = (256, 1.25) if name in FINE else (city.size_px, 10.0)
        assert (info.epsg, info.width, info.height) == (city.epsg, side, side), name
        assert info.transform[0] == square_m, name
        assert info.bands == kind.band_names, name
        assert info.is_simulated, name
        assert info.wavelengths_nm == (WAVELENGTHS_NM if name == "hyperspectral" else ()), name


def test_the_ordinary_reader_takes_the_footprints(files: dict[str, Path]) -> None:
    buildings = read_buildings(files["osm_features"])
    assert len(buildings) > 20
    assert all(building.height_m and building.height_m >= 2 for building in buildings)
    assert {building.use for building in buildings} <= set(scheme.find("building_use").codes)


def test_the_ordinary_reader_takes_the_frames_of_a_video(city: City, tmp_path: Path) -> None:
    video = render_video(city, Window(rows=(60, 66), columns=(60, 68)), date(2021, 6, 1), frames=3, detail=2)
    [info] = inspect_frames(write_frames(video, tmp_path / "video"))
    assert (info.frames, info.height, info.width, info.channels) == (3, 48, 64, 3)
    assert info.times == video.times
    assert (info.epsg, info.transform) == (video.epsg, video.transform)
    assert (read_frame(tmp_path / "video", 2) == video.frames[2].transpose(1, 2, 0)).all()


def test_the_same_city_gives_the_same_files(world: World, city: City, files: dict[str, Path], tmp_path: Path) -> None:
    again = render_scenes(world, city, tmp_path, WINDOW)
    assert {name: path.read_bytes() for name, path in again.items()} == {
        name: path.read_bytes() for name, path in files.items()
    }
