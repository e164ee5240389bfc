"""What is kept of a tile until the whole map is written: small arrays in one file, whole or not there."""

import secrets
from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fusion.errors import BadInputError
from fusion.mapping.layout import Windows
from fusion.mapping.spec import Tile

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

NOTHING = 255  # in every band of per cent, where the map has no pixel
SMALLEST = 1e-12


def describe_tile(found: Mapping[str, Array], seen: Mask, validity: Floats, *, keep: bool) -> dict[str, Array]:
    """The arrays that are kept of a tile.

    `found` is what fusion.engine.tiles answers, empty where nothing is seen; `seen` [rows, columns] says which pixels
    the map has, `validity` [rows, columns] which share of what the network saw there held data. Of classes: `places`
    int16 [rows, columns] (-1 for none), per cent as uint8 [1, rows, columns] under the names of bands, the summed
    probabilities in `sums`, and with `keep` the `probability` of each class. Of a field: `value` and `deviation`.
    """
    bands = {"validity": _scale(validity, seen)}
    if not found:
        return bands
    if "disagreement" in found:
        bands["disagreement"] = _scale(found["disagreement"][0] / log(max(2, len(found["probability"]))), seen)
    if "out_of_domain" in found:
        bands["out_of_domain"] = _scale(found["out_of_domain"][0], seen)
    if "mean" in found:
        fields = {"value": found["mean"]}
        if "variance" in found:
            fields["deviation"] = np.sqrt(np.maximum(found["variance"], 0.0))
        return bands | {name: np.where(seen, values, np.nan).astype(np.float32) for name, values in fields.items()}
    own = found["probability"]
    shares = np.concatenate([own, 1 - own]) if len(own) == 1 else own  # one class alone against the rest
    chosen = shares.argmax(axis=0)
    bands |= {
        "places": np.where(seen & (chosen < len(own)), chosen, -1).astype(np.int16),
        "probability": _scale(shares.max(axis=0), seen),
        "entropy": _scale(scale_entropy(shares), seen),
        "sums": own[:, seen].sum(axis=1, dtype=np.float64),
    }
    return bands | ({"shares": np.where(seen, own, np.nan).astype(np.float32)} if keep else {})


def scale_entropy(shares: Floats) -> Floats:
    """Entropy [rows, columns] of probabilities [k, rows, columns]: 0 for one certain class, 1 for all alike."""
    terms = shares * np.log(np.maximum(shares, SMALLEST))
    return np.asarray(-terms.sum(axis=0) / log(max(2, len(shares))), dtype=np.float32)


def find_seen(valid: Mask, windows: Windows) -> Mask:
    """Of a map with one window for each pixel: those whose middle holds data, [down, across]."""
    middle = windows.size // 2
    return valid[middle :: windows.stride, middle :: windows.stride][: windows.down, : windows.across]


def measure_validity(valid: Mask, windows: Windows) -> Floats:
    """The share of each window's pixels that hold data, [down, across]."""
    if valid.all():
        return np.ones((windows.down, windows.across), dtype=np.float32)
    sums = np.zeros((valid.shape[0] + 1, valid.shape[1] + 1), dtype=np.int64)
    sums[1:, 1:] = valid.cumsum(axis=0).cumsum(axis=1)
    top, left = (np.arange(count) * windows.stride for count in (windows.down, windows.across))
    bottom, right = top + windows.size, left + windows.size
    inside = (
        sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
    )
    return np.asarray(inside / windows.size**2, dtype=np.float32)


def name_tile(tile: Tile) -> str:
    """The name of a tile's file; its folder belongs to one map made from the same things."""
    return f"tile-{tile[0]:06d}-{tile[1]:06d}-{tile[2]}x{tile[3]}.safetensors"


def save_tile(folder: Path, tile: Tile, arrays: Mapping[str, Array]) -> Path:
    """Write a tile's file; one that another process wrote meanwhile holds the same."""
    path = folder / name_tile(tile)
    partial = folder / f".{path.name}.{secrets.token_hex(4)}"
    try:
        save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, partial)
        partial.replace(path)
    except OSError as error:
        raise BadInputError(f"{path}: a tile cannot be written ({error}). See to the disk, then go on.") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def read_tile(folder: Path, tile: Tile) -> dict[str, Array]:
    """What was kept of a tile."""
    path = folder / name_tile(tile)
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, ValueError) as error:
        raise BadInputError(f"{path}: a tile cannot be read ({error}). Draw the map again.") from error


def is_finished(folder: Path, tile: Tile) -> bool:
    """Whether the tile has its file."""
    return (folder / name_tile(tile)).is_file()


def _scale(values: Array, seen: Mask) -> Array:
    per_cent = np.rint(np.clip(np.nan_to_num(values), 0.0, 1.0) * 100)
    return np.where(seen, per_cent, NOTHING).astype(np.uint8)[None]
