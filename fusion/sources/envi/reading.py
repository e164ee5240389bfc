"""Pixels of an ENVI file as they lie on disk, mapped into memory and read by windows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fusion.errors import BadFileError
from fusion.file_info import ArrayInfo, hash_file
from fusion.places import check_place
from fusion.ranges import Range
from fusion.sources.envi.header import Header, read_header

SUFFIXES = (".hdr",)
RAW_SUFFIXES = ("", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip", ".bin", ".cube")
MOST_BYTES = 64 * 2**30
Stored = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]


def inspect_envi(path: Path) -> list[ArrayInfo]:
    """What an ENVI file holds, every value read once. `path` is its header or its raw file."""
    header_path, raw_path = find_pair(path)
    try:
        header = read_header(header_path)
        notes = [*header.notes, *_check_size(header, raw_path)]
        if header.epsg is not None:
            check_place(header.epsg, *_corners(header))
        values = _map(header, raw_path)
        found = _measure(header, values)
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error
    if header.bad_bands:
        notes.append(f"{len(header.bad_bands)} bands are marked as bad")
    if found.invalid_share > 0.5:
        notes.append("More than half of it holds no data")
    info = ArrayInfo(
        path=raw_path.absolute(), sha256=hash_file(raw_path), size_bytes=raw_path.stat().st_size,
        format=f"ENVI {header.interleave}", variable=raw_path.stem, dims=("band", "y", "x"),
        shape=(header.bands, header.lines, header.samples), dtype=header.dtype.newbyteorder("=").name,
        bands=header.names, wavelengths_nm=header.wavelengths_nm, bad_bands=header.bad_bands, epsg=header.epsg,
        transform=header.transform, times=(header.captured,) if header.captured else (), nodata=header.nodata,
        scale=header.scale, value_range=found.value_range, invalid_share=found.invalid_share, notes=tuple(notes),
    )  # fmt: skip
    return [replace(info, notes=(f"Header {header_path.name}", *info.notes))]


def read_bands(
    path: Path,
    bands: Sequence[str] | None = None,
    *,
    window: tuple[int, int, int, int] | None = None,
) -> tuple[Stored, Mask]:
    """Array [band, y, x] as stored, in the machine's byte order, and mask [y, x] of what no band lacks.

    `window` is (column, row, width, height) in pixels and must lie within the file; none means all of it.
    """
    header_path, raw_path = find_pair(path)
    try:
        header = read_header(header_path)
        _check_size(header, raw_path)
        part = _cut(header, _map(header, raw_path), bands, window)
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error
    array = np.ascontiguousarray(part).astype(part.dtype.newbyteorder("="), copy=False)
    valid: Mask = np.asarray(_find_valid(array, header.nodata).all(axis=0))
    return array, valid


def find_pair(path: Path) -> tuple[Path, Path]:
    """The header and the raw file that belong together, whichever of both was given."""
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give an ENVI header (.hdr) or the raw file beside it.")
    if path.suffix.lower() == ".hdr":
        stems = [path.with_suffix(""), *(path.with_suffix(end) for end in RAW_SUFFIXES[1:])]
        raws = [stem for stem in stems if stem.is_file() and stem.suffix.lower() != ".hdr"]
        if len(raws) != 1:
            said = "no raw file lies beside it" if not raws else "several raw files lie beside it"
            raise BadFileError(f"{path.name}: {said}. It is called like the header, without .hdr or with .img or .dat.")
        return path, raws[0]
    for header in (path.with_name(path.name + end) for end in (".hdr", ".HDR")):
        if header.is_file():
            return header, path
    for header in (path.with_suffix(end) for end in (".hdr", ".HDR")):
        if header.is_file():
            return header, path
    raise BadFileError(f"{path.name}: no ENVI header lies beside it. It is called {path.stem}.hdr.")


def _check_size(header: Header, raw_path: Path) -> list[str]:
    """Refuse a header that promises what the file cannot hold, before anything is mapped."""
    size, wanted = raw_path.stat().st_size, header.skip_bytes + header.data_bytes
    if header.data_bytes > MOST_BYTES:
        raise BadFileError(f"its header claims {header.data_bytes:,} bytes, the limit is {MOST_BYTES:,}; cut it")
    if size < wanted:
        raise BadFileError(
            f"its header claims {wanted:,} bytes of pixels, {raw_path.name} has {size:,}; fetch it again"
        )
    return [f"{size - wanted} bytes after the pixels are not read"] if size > wanted else []


def _map(header: Header, raw_path: Path) -> Stored:
    """A view [band, y, x] of the file on disk."""
    orders = {
        "bsq": ((header.bands, header.lines, header.samples), (0, 1, 2)),
        "bil": ((header.lines, header.bands, header.samples), (1, 0, 2)),
        "bip": ((header.lines, header.samples, header.bands), (2, 0, 1)),
    }
    shape, order = orders[header.interleave]
    stored = np.memmap(raw_path, dtype=header.dtype, mode="r", offset=header.skip_bytes, shape=shape)
    return np.asarray(stored).transpose(order)


def _cut(
    header: Header, values: Stored, bands: Sequence[str] | None, window: tuple[int, int, int, int] | None
) -> Stored:
    missing = [band for band in bands or () if band not in header.names]
    if missing:
        raise BadFileError(f"no band {', '.join(missing)}; it holds {', '.join(header.names[:20])}")
    column, row, width, height = window or (0, 0, header.samples, header.lines)
    if min(column, row) < 0 or min(width, height) < 1 or column + width > header.samples or row + height > header.lines:
        raise BadFileError(f"the part asked for lies outside its {header.samples} x {header.lines} px")
    part = values[:, row : row + height, column : column + width]
    return part if bands is None else part[[header.names.index(band) for band in bands]]


def _measure(header: Header, values: Stored) -> Range:
    """Range and share of what is not valid, some lines at a time."""
    step = max(1, 2**22 // (header.samples * header.bands))
    found = Range(header.nodata)
    for line in range(0, header.lines, step):
        found.add(np.asarray(values[:, line : line + step]))
    found.check_any()
    return found


def _find_valid(array: Stored, nodata: float | None) -> Mask:
    valid: Mask = np.isfinite(array) if array.dtype.kind in "fc" else np.ones(array.shape, dtype=bool)
    return valid if nodata is None else valid & (array != nodata)


def _corners(header: Header) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    assert header.transform is not None
    step_x, _, west, _, step_y, north = header.transform
    xs = west + np.array([0, header.samples, header.samples, 0]) * step_x
    return xs, north + np.array([0, 0, header.lines, header.lines]) * step_y
