"""Cloud over the patches of a version: their share under cloud, by the mask of the day that was cut."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fusion.cutting.scene import CLOUDY_CLASSES
from fusion.sources import geotiff
from geoquorum.catalog.dates import find_scenes, tell_day
from geoquorum.catalog.models import Region, Sample, Scene
from geoquorum.catalog.pixels import list_bands, raster_of
from geoquorum.catalog.windows import Windows, has_window
from geoquorum.queue.services import Claim
from geoquorum.releases.models import DatasetVersion

OPTICAL = ("sentinel2", "sentinel2_l2a", "sentinel2_l1c")
MASKS = ("sentinel2_scl", "sentinel2_clouds")  # the first that a day has
LEAST_PERCENT = 50  # of cloud probability, from which a pixel counts as cloud
PATCHES_AT_ONCE = 8_192

Shares = npt.NDArray[np.float64]


def measure_clouds(version: DatasetVersion, samples: Sequence[Sample], claim: Claim) -> Shares | None:
    """Each sample's largest share of cloud in any optical date of the version, NaN where no mask tells.

    The share is of the pixels that the mask knows. None where no scene of the version has a mask of its day.
    """
    shares = np.full(len(samples), np.nan)
    for region, places in _group(samples).items():
        for mask in _list_masks(version, region):
            for start in range(0, len(places), PATCHES_AT_ONCE):
                claim.check()
                part = places[start : start + PATCHES_AT_ONCE]
                shares[part] = np.fmax(shares[part], _measure(mask, [samples[place] for place in part]))
    return None if np.isnan(shares).all() else shares


def _group(samples: Sequence[Sample]) -> dict[Region, list[int]]:
    """Places of the samples that lie somewhere, by region."""
    found: dict[Region, list[int]] = {}
    for place, sample in enumerate(samples):
        if sample.region is not None and has_window(sample):
            found.setdefault(sample.region, []).append(place)
    return found


def _list_masks(version: DatasetVersion, region: Region) -> list[Scene]:
    """The mask of each day of which the version has an optical scene over a region."""
    days: dict[str, None] = {}
    for entry in version.modalities:
        if entry["modality"] in OPTICAL:
            season, is_optional = entry.get("season", ""), entry.get("optional", False)
            for scene in find_scenes([region], entry["modality"], season, is_optional=is_optional)[region.pk]:
                days.setdefault(tell_day(scene))
    masks = sorted(region.scenes.filter(modality__in=MASKS), key=lambda mask: (MASKS.index(mask.modality), mask.pk))
    found = {day: next((mask for mask in masks if day and tell_day(mask) == day), None) for day in days}
    return [mask for mask in found.values() if mask is not None]


def _measure(mask: Scene, samples: Sequence[Sample]) -> Shares:
    windows = Windows.of(samples, samples[0].width_px or 32)
    rasters = [raster_of(asset) for asset in mask.assets.order_by("pk")]
    # the nearest pixel: codes of classes have no middle
    values, valid = geotiff.read_cells(rasters, list_bands(mask), windows.cells, windows.pixels, "nearest")
    is_cloud = np.isin(values, CLOUDY_CLASSES) if mask.modality == "sentinel2_scl" else values >= LEAST_PERCENT
    known = windows.join(valid)
    cloudy = windows.join(is_cloud[:, 0] & valid).sum(axis=(1, 2), dtype=np.float64)
    count = known.sum(axis=(1, 2), dtype=np.float64)
    return np.divide(cloudy, count, out=np.full(len(samples), np.nan), where=count > 0)
