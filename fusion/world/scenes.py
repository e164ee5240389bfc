"""Every other modality of a made-up city as files, beside those of fusion.world.render: each marked as simulated.

Videos are written by fusion.world.video as folders of frames. Point clouds stay arrays (fusion.world.lidar): the
project reads LAS and LAZ, it does not write them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fusion import modality
from fusion.sources.geotiff import write_cog
from fusion.spectrum import name_bands
from fusion.world.aerial import render_aerial
from fusion.world.clouds import add_clouds
from fusion.world.footprints import find_footprints, write_footprints
from fusion.world.ground import Ground, Window, draw_ground
from fusion.world.heights import render_heights
from fusion.world.hyperspectral import render_hyperspectral
from fusion.world.light import scene_date
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.optics import render_sentinel2
from fusion.world.radar import pass_date
from fusion.world.waves import render_polsar, render_slc
from fusion.world.world import City, World

# Share of the sky under each kind of cloud in the cloudy scene that is written (assumption).
COVER = {"thin": 0.12, "medium": 0.1, "thick": 0.12}
_DETAIL = 2  # squares of 1.25 m


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layer:
    """One raster to be written: its modality, stored numbers [band, y, x], day and geometry."""

    name: str
    numbers: npt.NDArray[np.generic]
    day: date
    square_m: float
    window: Window
    offset: float | None = None
    wavelengths_nm: tuple[float, ...] = ()


def render_scenes(
    world: World, city: City, folder: Path, window: Window, *, nulls: Nulls = NO_NULLS
) -> dict[str, Path]:
    """Write one file per modality into `folder`, which is made, and return them by the modality's name.

    Heights, aerial photo and footprints are of the window, the rest of the whole city. The Sentinel-2 scene lies under
    clouds; sentinel2_scl is its truth.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for layer in _render_layers(city, draw_ground(city), window, nulls):
        files[layer.name] = _write(world, city, folder, layer)
    path = folder / f"{city.slug}_osm_features.geojson"
    files["osm_features"] = write_footprints(find_footprints(city, window, detail=_DETAIL), path)
    return files


def _render_layers(city: City, ground: Ground, window: Window, nulls: Nulls) -> Iterator[_Layer]:
    """The rasters one after the other, so that only one lies in memory."""
    whole, summer, passed = Window.whole(city), scene_date(city, "summer"), pass_date(city)
    square_m = 2.5 / _DETAIL
    heights = render_heights(city, window, detail=_DETAIL, nulls=nulls)
    yield _Layer(name="lidar_heights", numbers=heights, day=summer, square_m=square_m, window=window)
    photo = render_aerial(city, window, summer, detail=_DETAIL)
    yield _Layer(name="aerial", numbers=photo, day=summer, square_m=square_m, window=window)
    cloudy, truth = add_clouds(city, ground, render_sentinel2(city, ground, "summer", nulls), COVER)
    yield _Layer(
        name="sentinel2", numbers=cloudy.numbers, day=summer, square_m=10.0, window=whole, offset=float(cloudy.offset)
    )
    yield _Layer(name="sentinel2_scl", numbers=truth.classes[None], day=summer, square_m=10.0, window=whole, offset=0.0)
    cube = render_hyperspectral(city, ground, nulls=nulls)
    yield _Layer(
        name="hyperspectral", numbers=cube.numbers, day=summer, square_m=10.0, window=whole, offset=0.0,
        wavelengths_nm=cube.wavelengths_nm,
    )  # fmt: skip
    waves = render_slc(city, ground, nulls)
    yield _Layer(name="sentinel1_slc", numbers=waves, day=passed, square_m=10.0, window=whole)
    polsar = render_polsar(city, ground, nulls=nulls)
    yield _Layer(name="polsar", numbers=polsar.scattering, day=passed, square_m=10.0, window=whole)
    yield _Layer(name="polsar_covariance", numbers=polsar.covariance, day=passed, square_m=10.0, window=whole)


def _write(world: World, city: City, folder: Path, layer: _Layer) -> Path:
    kind = modality.find(layer.name)
    captured = f"{layer.day}T10:30:00Z"
    names = tuple(band.name for band in name_bands(layer.wavelengths_nm)) if kind.has_own_bands else kind.band_names
    waves = {"WAVELENGTHS_NM": ",".join(f"{nm:g}" for nm in layer.wavelengths_nm)} if kind.has_own_bands else {}
    west = city.origin[0] + layer.window.columns[0] * 10.0
    north = city.origin[1] - layer.window.rows[0] * 10.0
    return write_cog(
        folder / f"{city.slug}_{layer.name}_{layer.day:%Y%m%d}.tif",
        layer.numbers,
        epsg=city.epsg,
        transform=(layer.square_m, 0.0, west, 0.0, -layer.square_m, north),
        nodata=kind.nodata,
        band_names=names,
        offset=layer.offset,
        scale=None if layer.offset is None else kind.scale,
        tags={
            "SIMULATED": "yes",
            "WORLD_SEED": str(world.seed),
            "CITY": city.name,
            "CAPTURED_FROM": captured,
            "CAPTURED_TO": captured,
            **waves,
        },
        overview_resampling="mode" if kind.classes else "average",
    )
