"""What a pack is made of: the arrays of its modalities and the values of its targets, as streams in sample order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Chunks = Iterable[Array] | Iterable[Sequence[Array]]


@dataclass(frozen=True, kw_only=True)
class ArraySource:
    """What one array of a pack is made of: `chunks` yield [n, *shape] of `dtype` in the order of the samples.

    `dims` and `shape` are of one sample (for example band, y, x). Where leading axes differ from sample to sample their
    size is None, as in (None, 6) for points, and a chunk is a list of one array per sample. `offset` and `scale` are
    those of the stored values (physical = (stored + offset) * scale); None takes the modality's own. `times` name the
    places of the time axis. `wavelengths_nm` are given for bands that the modality does not declare. `present` says
    which samples have the modality at all; what stands at the others is replaced by nodata, or 0.
    """

    modality: str
    dims: tuple[str, ...]
    dtype: str
    bands: tuple[str, ...]
    shape: tuple[int | None, ...]
    chunks: Chunks
    offset: float | None = None
    scale: float | None = None
    times: tuple[str, ...] = ()
    wavelengths_nm: tuple[float | None, ...] = ()
    present: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True)
class TargetSource:
    """Values of a target, one row per sample as in an ArraySource; `nodata` marks where nothing is known.

    `present` says which samples have the target at all; what stands at the others is replaced by nodata, or 0.
    """

    dims: tuple[str, ...]
    dtype: str
    shape: tuple[int | None, ...]
    chunks: Chunks
    nodata: float | None = None
    unit: str = ""
    present: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True)
class TargetSpec:
    """What is learned from a pack. Head `classes` takes the samples' label and distribution over `scheme`, from the
    columns named so, or from others where a pack has several such targets.

    Heads mask, field, boxes and tracks (fusion.pack_target) take `values`, or name an `array` of the pack that holds
    them already.
    """

    head: str
    scheme: str | None = None
    array: str | None = None
    values: TargetSource | None = None
    label: str = "label"
    distribution: str = "distribution"
