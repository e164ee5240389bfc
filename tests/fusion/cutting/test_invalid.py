"""On row C7: NaN, infinities and odd nodata values of twenty bands reach no patch, no picture and no mean."""

from collections.abc import Callable

import numpy as np
import pytest

from fusion import modality as modalities
from fusion import quicklook
from fusion.band_statistics import BandStatistics
from fusion.cutting.cutter import Quality, cut
from fusion.cutting.planning import plan
from fusion.cutting.scene import Scene
from fusion.errors import BadRasterError
from fusion.file_info import hash_file
from fusion.source import Limits
from fusion.sources import geotiff
from tests.fusion.cutting.scenes import NORTH_WEST

SIDE = 32
ELEVATION = modalities.find("elevation")
NAN, INF, NODATA, VOID = np.nan, np.inf, -9999.0, ELEVATION.nodata


def corner(value: float, share: float) -> np.ndarray:
    """Ones, of which a share of the rows from the north holds a value that means nothing."""
    band = np.ones((SIDE, SIDE), np.float32) + np.arange(SIDE, dtype=np.float32) / SIDE
    band[: round(SIDE * share)] = value
    return band


def scattered(*values: float) -> np.ndarray:
    """Each of some values in every seventh pixel, one after the other."""
    band = corner(1.0, 0)
    flat = band.reshape(-1)
    flat[::7] = np.resize(np.array(values, np.float32), len(flat[::7]))
    return band


# name: band, the file's nodata value, share of pixels without data (None: not one pixel holds any, refused)
BANDS: dict[str, tuple[np.ndarray, float | None, float | None]] = {
    "whole": (corner(1, 0), NODATA, 0), "NaN 1/4": (corner(NAN, 0.25), NODATA, 0.25),
    "inf 1/4": (corner(INF, 0.25), NODATA, 0.25), "-inf 1/4": (corner(-INF, 0.25), NODATA, 0.25),
    "nodata 1/4": (corner(NODATA, 0.25), NODATA, 0.25), "NaN 3/4": (corner(NAN, 0.75), NODATA, 0.75),
    "inf 3/4": (corner(INF, 0.75), NODATA, 0.75), "nodata 3/4": (corner(NODATA, 0.75), NODATA, 0.75),
    "NaN all": (corner(NAN, 1), NODATA, None), "inf all": (corner(INF, 1), NODATA, None),
    "nodata all": (corner(NODATA, 1), NODATA, None), "NaN is nodata": (corner(NAN, 0.5), NAN, 0.5),
    "inf is nodata": (corner(INF, 0.5), INF, 0.5), "half": (corner(NAN, 0.5), NODATA, 0.5),
    "no nodata said": (corner(NAN, 0.25), None, 0.25), "NaN and nodata": (scattered(NAN, NODATA), NODATA, 147 / 1024),
    "all three": (scattered(NAN, INF, -INF), NODATA, 147 / 1024), "one NaN": (corner(1, 0), NODATA, 1 / 1024),
    "largest numbers": (scattered(3e38, -3e38), NODATA, 0), "denormal": (scattered(1e-45, NAN), NODATA, 73 / 1024),
}  # fmt: skip
BANDS["one NaN"][0][5, 5] = NAN


def test_there_are_twenty() -> None:
    assert len(BANDS) == 20


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BANDS)
def test_what_means_nothing_goes_nowhere(make_scene: Callable[..., Scene], name: str) -> None:
    band, nodata, share = BANDS[name]
    scene = make_scene(band[None], nodata=nodata, bands=("elevation",), blockxsize=32, blockysize=32)
    path = scene.files[0].path
    if share is None:
        with pytest.raises(BadRasterError, match=r"a\.tif: not one pixel holds data"):
            geotiff.inspect([path], ELEVATION, limits=Limits())
        return
    [info] = geotiff.inspect([path], ELEVATION)
    assert info.invalid_share == pytest.approx(share, abs=1e-6)
    assert info.is_mostly_invalid == (share > 0.5)
    assert ("More than half of it holds no data" in info.notes) == (share > 0.5)
    assert info.sha256 == hash_file(path)
    [chunk] = plan([(scene, [NORTH_WEST])])
    [batch] = list(cut(chunk))
    assert np.isfinite(batch.values).all()
    assert batch.missing[0] == pytest.approx(share, abs=1e-6)
    assert bool(batch.quality[0] & Quality.MOSTLY_MISSING) == (share > 0.5)
    check_statistics(np.where(batch.valid[:, None], batch.values, np.float32(VOID)), band, nodata)
    check_picture(batch.values[0], batch.valid[0])


def check_statistics(stored: np.ndarray, band: np.ndarray, nodata: float | None) -> None:
    statistics = BandStatistics(modality=ELEVATION, dims=("band", "y", "x"))
    statistics.add(stored)
    found = statistics.summarise()
    assert found is not None
    known = band[np.isfinite(band) & (band != (NODATA if nodata is None else nodata))].astype(np.float64)
    assert found["pixels"] == [len(known)]
    assert np.isfinite([*found["mean"], *found["std"]]).all()


def check_picture(values: np.ndarray, valid: np.ndarray) -> None:
    picture = quicklook.draw(ELEVATION, values, valid=valid)
    assert picture is not None
    assert picture.dtype == np.uint8
    assert (picture[..., 3] > 0).tolist() == valid.tolist(), "what holds nothing is clear"
