"""Values on their way into a pack: what a source promises is checked, and what is missing is left empty."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from fusion.errors import PackError
from fusion.modality import Dimension, Modality
from fusion.pack_source import ArraySource, TargetSource
from fusion.ragged_shard import count_varying

Array = npt.NDArray[Any]
DIMENSIONS = frozenset(get_args(Dimension))


def check_source(name: str, source: ArraySource, kind: Modality) -> None:
    """PackError where bands, dims, times, wavelengths or scale are not what the modality and the shape allow."""
    unknown = [band for band in source.bands if band not in kind.band_names]
    if unknown and not kind.has_own_bands:
        raise PackError(f"Array {name!r}: {kind.name} has no band {', '.join(unknown)}. It has {kind.band_names}.")
    check_dims(name, source.dims, source.shape)
    count_varying(name, source.shape)
    if "band" in source.dims:
        check_axis(name, source.dims, source.shape, "band", source.bands)
    if source.times:
        check_axis(name, source.dims, source.shape, "time", source.times)
    if source.wavelengths_nm and len(source.wavelengths_nm) != len(source.bands):
        raise PackError(f"Array {name!r}: {len(source.wavelengths_nm)} wavelengths for {len(source.bands)} bands.")
    if not np.isfinite([kind.scale if source.scale is None else source.scale, source.offset or 0]).all():
        raise PackError(f"Array {name!r}: scale {source.scale} or offset {source.offset} is no finite number.")


def fill_absent(
    chunks: Iterable[Array], present: npt.NDArray[np.bool_] | None, nodata: float | None
) -> Iterator[Array]:
    """The chunks with nodata, or 0, in place of whatever stands at samples that are not there."""
    row = 0
    for chunk in chunks:
        flags = None if present is None else present[row : row + len(chunk)]
        row += len(chunk)
        if flags is not None and not flags.all():
            flags = np.concatenate([flags, np.ones(len(chunk) - len(flags), dtype=bool)])  # too many: refused later
            chunk = chunk.copy()
            chunk[~flags] = 0 if nodata is None else nodata
        yield chunk


def list_present(source: ArraySource | TargetSource) -> Iterator[list[Array]]:
    """The chunks with samples of no items in place of those that are not there."""
    row, present = 0, source.present
    empty = np.zeros(tuple(size or 0 for size in source.shape), dtype=source.dtype)
    for chunk in source.chunks:
        flags = [True] * len(chunk) if present is None else [*present[row : row + len(chunk)]]
        flags += [True] * (len(chunk) - len(flags))
        row += len(chunk)
        yield [sample if flag else empty for sample, flag in zip(chunk, flags, strict=True)]


def check_text(name: str, samples: Iterator[Array], ids: Sequence[str]) -> Iterator[Array]:
    """The samples as they come; PackError at the first that is no UTF-8."""
    for row, sample in enumerate(samples):
        try:
            sample.tobytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise PackError(f"Array {name!r}: sample {ids[row]} is no UTF-8 text: {error}.") from error
        yield sample


def check_dims(name: str, dims: Sequence[str], shape: Sequence[int | None], known: frozenset[str] = DIMENSIONS) -> None:
    """PackError where dims are unknown, given twice, or not as many as the axes."""
    unknown = [word for word in dims if word not in known]
    if unknown or len(set(dims)) != len(dims) or len(dims) != len(shape):
        raise PackError(
            f"Array {name!r}: dims {', '.join(dims) or 'none'} do not name the {len(shape)} axes of {list(shape)}. "
            f"Known: {', '.join(sorted(known))}."
        )


def check_axis(
    name: str, dims: Sequence[str], shape: Sequence[int | None], axis: str, labels: Sequence[object]
) -> None:
    """PackError where an axis has not one place per label."""
    size = shape[dims.index(axis)] if axis in dims else None
    if size != len(labels):
        raise PackError(f"Array {name!r}: {len(labels)} labels of {axis} for {size} places. Name every place once.")


def check_present(name: str, present: npt.NDArray[np.bool_], total: int) -> None:
    """PackError unless there is one flag per sample, and some sample is there."""
    if present.dtype != np.bool_ or present.shape != (total,):
        raise PackError(f"Array {name!r}: presence needs {total} true or false, not {present.dtype} {present.shape}.")
    if not present.any():
        raise PackError(f"Array {name!r}: no sample has it. Leave the array out.")
