"""Targets of every head on their way to a network: as stored, in their own dtype, turned with the sample.

What a head learns from is an array of the pack: shares and labels, masks and fields on the sample's grid, boxes and
tracks of as many rows as a sample has. Nothing is converted here: as inputs, targets are what the pack holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusion.engine.symmetries import Array, Rows, turn
from fusion.errors import SpecError
from fusion.pack import Pack, PackArray, RaggedArray

HALF_TURN, FULL_TURN = 180.0, 360.0


class TargetReader(Protocol):
    """What is learned, batch by batch: heads and objectives open one (fusion.engine.head, fusion.engine.objective)."""

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """True for the samples of the pack that have the target."""

    def read(
        self, rows: Rows, inputs: Mapping[str, Tensor], device: torch.device, symmetries: Rows | None = None
    ) -> Tensor:
        """One row per sample, turned as the `inputs` were, which are stored arrays on the device."""

    def read_truth(self, rows: Rows) -> dict[str, Array]:
        """What the scores of these samples need, as plain arrays that nothing turned."""


@dataclass(frozen=True, kw_only=True)
class DenseRows:
    """A target in memory, float [samples, ...] with NaN where there is none; `truth` is gathered for scores."""

    values: npt.NDArray[np.float32]
    truth: Mapping[str, Array]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        flat = self.values.reshape(len(self.values), -1)
        return np.asarray(np.isfinite(flat).all(axis=1))

    def read(
        self, rows: Rows, inputs: Mapping[str, Tensor], device: torch.device, symmetries: Rows | None = None
    ) -> Tensor:
        return torch.from_numpy(self.values[rows]).to(device)

    def read_truth(self, rows: Rows) -> dict[str, Array]:
        return {name: values[rows] for name, values in self.truth.items()}


@dataclass(frozen=True, kw_only=True)
class TargetRows:
    """One array of a target for the samples of a batch.

    Of samples of one size `values` is [n, *shape] and `offsets` None; of boxes and tracks sample i has
    values[offsets[i]:offsets[i + 1]]. `present` says which samples have the target at all: none is not no box.
    """

    values: Tensor
    present: Tensor
    offsets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.present)


@dataclass(frozen=True, kw_only=True)
class TargetArray:
    """One array of a target of a pack, and how it turns with the sample's pixels.

    `size` are the rows and columns of the grid that boxes and tracks are measured on.
    """

    head: str
    array: PackArray | RaggedArray
    present: npt.NDArray[np.bool_]
    size: tuple[int, int]

    def read(self, rows: Rows, device: torch.device, symmetries: Rows | None = None) -> TargetRows:
        """The rows of a batch; with `symmetries` each turned by its own."""
        present = torch.from_numpy(self.present[rows]).to(device)
        found = self.array.gather(rows)
        if isinstance(found, np.ndarray):
            turned = found if symmetries is None or not self._has_pixels else turn(found, symmetries)
            return TargetRows(values=_hand_over(turned, device), present=present)
        values = found.values if symmetries is None else self._turn_rows(found.values, found.lengths, symmetries)
        return TargetRows(values=_hand_over(values, device), present=present, offsets=_hand_over(found.offsets, device))

    @property
    def _has_pixels(self) -> bool:
        return tuple(self.array.entry["dims"][-2:]) == ("y", "x")

    def _turn_rows(self, values: Array, lengths: Rows, symmetries: Rows) -> Array:
        turn_boxes = BOX_TURNS.get(self.head)
        if turn_boxes is None:
            return values
        return turn_boxes(values, np.repeat(symmetries, lengths), self.size)


def open_targets(pack: Pack, names: Sequence[str] = ()) -> dict[str, dict[str, TargetArray]]:
    """The arrays of these targets of a pack (of all, where no name is given), by target and by part.

    The parts of head `classes` are `label` and `distribution`; every other head has one, called like the head.
    """
    known = pack.manifest["targets"]
    if missing := sorted(set(names) - set(known)):
        raise SpecError(f"target: {pack.folder} has no target {missing[0]!r}. It has: {', '.join(known) or 'none'}.")
    size = find_size(pack)
    return {name: _open_target(pack, known[name], size) for name in (names or sorted(known))}


def open_values(pack: Pack, name: str) -> TargetArray:
    """The values of a target of head mask, field, boxes or tracks: its own array, or the pack's that it names."""
    found = open_targets(pack, [name])[name]
    return next(iter(found.values()))


def check_grid(pack: Pack, name: str, own: tuple[int, int], size: tuple[int, ...]) -> None:
    """SpecError where the target's pixels are not those of the inputs: a map is learned pixel by pixel."""
    if own != size:
        raise SpecError(
            f"target: {name!r} of {pack.folder} has {own[0]} x {own[1]} pixels, the inputs have {size[0]} x {size[1]}. "
            "Cut them on one grid, or choose other modalities."
        )


def spread(rows: Rows, most: int) -> Rows:
    """At most so many of these rows, spread evenly: what is learned of values beforehand need not read all of them."""
    step = max(1, -(-len(rows) // most))
    return rows[::step]


def find_size(pack: Pack) -> tuple[int, int]:
    """Rows and columns of the first raster of the pack, on which pixels of targets are counted; (0, 0) without one."""
    entries = (pack.manifest["arrays"][name] for name in pack.array_names)
    sizes = [tuple(entry["shape"][-2:]) for entry in entries if tuple(entry["dims"][-2:]) == ("y", "x")]
    return (int(sizes[0][0]), int(sizes[0][1])) if sizes else (0, 0)


def read_targets(
    targets: Mapping[str, Mapping[str, TargetArray]],
    rows: Rows,
    device: torch.device,
    symmetries: Rows | None = None,
) -> dict[str, dict[str, TargetRows]]:
    """A batch of all of them, each with its inputs' rows and symmetries."""
    return {
        name: {part: target.read(rows, device, symmetries) for part, target in parts.items()}
        for name, parts in targets.items()
    }


def _open_target(pack: Pack, entry: Mapping[str, object], size: tuple[int, int]) -> dict[str, TargetArray]:
    head, held = str(entry["head"]), entry["arrays"]
    assert isinstance(held, dict)
    keys: dict[str, str] = dict(held) or {head: str(entry["array"])}
    found = {}
    for part, key in keys.items():
        layout = pack.manifest["arrays"][key]["layout"]
        array = pack.ragged(key) if layout == "ragged" else pack.array(key)
        found[part] = TargetArray(head=head, array=array, present=pack.present(key), size=size)
    return found


def _hand_over(values: Array, device: torch.device) -> Tensor:
    """The same memory as a tensor; a copy only where the device is another."""
    return torch.from_numpy(values).to(device, non_blocking=True)


def turn_boxes(boxes: Array, symmetries: Rows, size: tuple[int, int]) -> Array:
    """Oriented boxes [n, 6] under the symmetry of each: centres move with the pixels, width stays along the angle."""
    out, angle = boxes.copy(), boxes[:, 4].astype(np.float64)
    out[:, 0], out[:, 1] = _move(boxes[:, 0], boxes[:, 1], symmetries, size)
    is_swapped, is_down, is_across = _describe_symmetries(symmetries)
    angle = np.where(is_swapped, 90.0 - angle, angle)
    angle = np.where(is_down, -angle, angle)
    angle = np.where(is_across, HALF_TURN - angle, angle)
    is_turned = symmetries != 0  # an angle that nothing turned stays as it is written
    out[:, 4] = np.where(is_turned, (angle + HALF_TURN) % FULL_TURN - HALF_TURN, boxes[:, 4])
    return out


def turn_tracks(tracks: Array, symmetries: Rows, size: tuple[int, int]) -> Array:
    """Upright boxes of tracks [n, 7] under the symmetry of each: with x and y, width and height change places."""
    out = tracks.copy()
    out[:, 2], out[:, 3] = _move(tracks[:, 2], tracks[:, 3], symmetries, size)
    is_swapped, _, _ = _describe_symmetries(symmetries)
    out[:, 4], out[:, 5] = (np.where(is_swapped, tracks[:, [5, 4]].T, tracks[:, [4, 5]].T)).astype(tracks.dtype)
    return out


def _describe_symmetries(symmetries: Rows) -> tuple[npt.NDArray[np.bool_], ...]:
    """Whether each of the eight changes x and y, then mirrors rows, and columns (fusion.engine.symmetries)."""
    return symmetries >= 4, symmetries % 2 == 1, symmetries % 4 >= 2


def _move(x: Array, y: Array, symmetries: Rows, size: tuple[int, int]) -> tuple[Array, Array]:
    is_swapped, is_down, is_across = _describe_symmetries(symmetries)
    height, width = size
    x, y = np.where(is_swapped, y, x), np.where(is_swapped, x, y)
    high, wide = np.where(is_swapped, width, height), np.where(is_swapped, height, width)
    return np.where(is_across, wide - x, x), np.where(is_down, high - y, y)


BOX_TURNS = {"boxes": turn_boxes, "tracks": turn_tracks}
