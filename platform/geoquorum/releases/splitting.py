"""Which sample of a version is learned from and which is held out, and the proof that no ground is shared."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from fusion import splits
from fusion.errors import BadInputError, NoLocationError
from geoquorum.catalog.models import Sample
from geoquorum.releases.choosing import Chosen
from geoquorum.releases.models import DatasetVersion


def split_rows(version: DatasetVersion, chosen: list[Chosen]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Split and block of each row by the version's design, and the leak report; refused where splits share ground."""
    design, samples = version.design, [one.row.sample for one in chosen]
    blocks = [sample.block for sample in samples]
    if design["kind"] == "city":
        cities = [sample.region.name if sample.region else "" for sample in samples]
        split = splits.by_city(cities, test=design["test"], validation=design.get("validation", ()))
    else:
        x_m, y_m = _centres_m(samples)
        found = splits.by_block(
            x_m,
            y_m,
            [one.code for one in chosen],
            block_m=design["block_m"],
            buffer_m=design.get("buffer_m", 0.0),
            seed=version.seed,
        )
        split, blocks = found.splits, found.blocks
    report = splits.check_leaks(
        [sample.key for sample in samples],
        split,
        lonlat=[(s.longitude, s.latitude) if s.has_place else (np.nan, np.nan) for s in samples],
        size_m=[(s.width_px or 0) * (s.pixel_size_m or 0.0) for s in samples],
        groups={"block": blocks},
    )
    return split, blocks, report.as_json()


def _centres_m(samples: list[Sample]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    placeless = [sample.key for sample in samples if not sample.has_place]
    if placeless:
        raise NoLocationError(
            f"{len(placeless)} samples have no place, first {placeless[0]!r}; blocks need one. Split by city instead."
        )
    zones = {sample.epsg for sample in samples}
    if len(zones) != 1 or None in zones:
        raise BadInputError(f"Blocks need samples of one UTM zone; these lie in {len(zones)}. Split by city instead.")
    transformer = Transformer.from_crs(4326, zones.pop(), always_xy=True)
    return transformer.transform([s.longitude for s in samples], [s.latitude for s in samples])
