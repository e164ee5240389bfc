"""Mean and deviation per band after a modality's stretch, summed while an array streams by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion import modality as modalities

Array = npt.NDArray[Any]


@dataclass(kw_only=True)
class BandStatistics:
    """Sums of the stretched values of stored blocks [n, ..., band, y, x], without nodata.

    Added sample by sample in float64, so that the size of the blocks does not change the last digit.
    """

    modality: modalities.Modality
    dims: tuple[str, ...]
    sums: Array | None = None

    @property
    def is_wanted(self) -> bool:
        return self.modality.kind == "raster" and self.dims[-3:] == ("band", "y", "x")

    def add(self, stored: Array) -> None:
        """Take in a block of samples in their stored dtype."""
        if not len(stored) or not self.is_wanted:
            return
        by_band = np.moveaxis(stored, -3, 0)
        values = modalities.stretch(self.modality, modalities.physical(self.modality, by_band))
        valid = np.isfinite(values)
        if self.modality.nodata is not None:
            valid &= by_band != self.modality.nodata
        exact = _by_sample(np.where(valid, values, 0).astype(np.float64))
        part = np.stack([_by_sample(valid).sum(axis=2), exact.sum(axis=2), (exact**2).sum(axis=2)], axis=2)
        start = np.zeros((1, *part.shape[1:])) if self.sums is None else self.sums
        self.sums = np.cumsum(np.concatenate([start, part]), axis=0)[-1:]

    def summarise(self) -> dict[str, Any] | None:
        """`{"pixels", "mean", "std"}` per band, or None where some band has no value at all."""
        if self.sums is None or not (self.sums[0, :, 0] > 0).all():
            return None
        pixels, first, second = self.sums[0].T
        mean = first / pixels
        std = np.sqrt(np.maximum(second / pixels - mean**2, 0))
        return {
            "pixels": [int(value) for value in pixels],
            "mean": [float(f"{value:.9g}") for value in mean],
            "std": [float(f"{value:.9g}") for value in std],
        }


def _by_sample(values: Array) -> Array:
    """[band, n, ...] as [n, band, everything else]."""
    return np.ascontiguousarray(np.swapaxes(values.reshape(*values.shape[:2], -1), 0, 1))
