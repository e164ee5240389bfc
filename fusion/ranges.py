"""Lowest and highest value of numbers that come in parts, and the share of them that means nothing."""

import numpy as np
import numpy.typing as npt

from fusion.errors import BadFileError


class Range:
    """Grows with each part added; nodata and what is not finite are counted and left out."""

    def __init__(self, nodata: float | None = None) -> None:
        self.nodata = nodata
        self.values = self.invalid = 0
        self._low, self._high = np.inf, -np.inf

    def add(self, part: npt.NDArray[np.generic]) -> None:
        """Count `part`; of complex numbers the magnitude."""
        size = np.abs(part) if part.dtype.kind == "c" else part
        valid = np.isfinite(size) if size.dtype.kind == "f" else np.ones(size.shape, dtype=bool)
        if self.nodata is not None:
            valid &= part != self.nodata
        self.values += part.size
        kept = size[valid]
        self.invalid += part.size - kept.size
        if kept.size:
            self._low, self._high = min(self._low, float(kept.min())), max(self._high, float(kept.max()))

    @property
    def value_range(self) -> tuple[float, float] | None:
        """Lowest and highest, None before anything valid came."""
        return (self._low, self._high) if self._low <= self._high else None

    @property
    def invalid_share(self) -> float:
        """Part of the values that is nodata or not finite."""
        return self.invalid / self.values if self.values else 0.0

    def check_any(self) -> None:
        """Refuse what holds no valid value at all."""
        if self.value_range is None:
            raise BadFileError("not one value of it is valid: all are nodata or not finite")
