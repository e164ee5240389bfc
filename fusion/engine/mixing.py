"""Mixup and cutout: samples that never were, made of those that are.

Both act on what the architecture sees, behind normalisation: there 0 is each band's mean, and what has no data has no
value that could be mixed. All modalities and dates of a sample lie in one image by then, so they share place and share.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fusion.engine.dataset import Batch
from fusion.engine.head import FloatArray
from fusion.engine.symmetries import Rows


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """What is done to the samples of one batch [n]; a pure function of seed and place in the run.

    `shares` (0.5 to 1) is what is left of each sample when its neighbour in the batch is mixed in; `corners` [n, 2] are
    row and column (0 to 1) of the centre of a square of `side` pixels that is blanked. None leaves either out.
    """

    shares: FloatArray | None = None
    corners: FloatArray | None = None
    side: int = 0

    def cut(self, places: Rows) -> "Mixing":
        """The same for some of the batch's samples, whole pairs of them."""
        shares, corners = (None if part is None else part[places] for part in (self.shares, self.corners))
        return replace(self, shares=shares, corners=corners)

    def mix(self, values: Tensor) -> Tensor:
        """Rows [n, ...], each with its neighbour's share mixed in."""
        if self.shares is None:
            return values
        share = torch.from_numpy(self.shares).to(values).reshape(-1, *(1,) * (values.ndim - 1))
        return share * values + (1 - share) * values[find_neighbours(len(values))]

    def blank(self, image: Tensor) -> Tensor:
        """Images [n, ..., y, x] with a square of each set to 0, cut where it reaches over the edge."""
        if self.corners is None:
            return image
        inside = [
            _find_inside(self.corners[:, axis], self.side, size).to(image.device)
            for axis, size in enumerate(image.shape[-2:])
        ]
        square = inside[0][:, :, None] & inside[1][:, None, :]
        return image.masked_fill(square.reshape(len(image), *(1,) * (image.ndim - 3), *square.shape[1:]), 0.0)


class Mixer:
    """Stands before an architecture and alters what it is given while a batch is learned from."""

    def __init__(self, architecture: nn.Module) -> None:
        self.current: Mixing | None = None
        architecture.register_forward_pre_hook(self._alter)

    def start(self, mixing: Mixing | None, batch: Batch) -> Batch:
        """Alter the images of this batch from here on; answers the batch with its targets mixed alike."""
        self.current = mixing
        if mixing is None or mixing.shares is None:
            return batch
        return replace(batch, target=mixing.mix(batch.target))

    def _alter(self, module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self.current is None or not module.training:
            return None
        image, *others = given
        return (self.current.blank(self.current.mix(image)), *others)


def draw_mixing(count: int, *, mixup: float, cutout: int, seed: int, epoch: int, batch: int) -> Mixing | None:
    """The mixing of a batch of `count` samples; None where the run has none.

    mixup: Zhang et al. 2018, with neighbours in a shuffled batch as partners and, as in MixMatch (Berthelot et al.
    2019), the larger share for the sample itself, so that its own class stays the one it is measured by. cutout:
    DeVries and Taylor 2017.
    """
    if not mixup and not cutout:
        return None
    rng = np.random.default_rng([seed, 3, epoch, batch])
    drawn, corners = rng.beta(mixup or 1.0, mixup or 1.0, count), rng.random((count, 2))
    shares = np.maximum(drawn, 1 - drawn).astype(np.float32)
    if count % 2:
        shares[-1] = 1.0  # the last of an odd number has no neighbour
    return Mixing(shares=shares if mixup else None, corners=corners.astype(np.float32) if cutout else None, side=cutout)


def find_neighbours(count: int) -> Rows:
    """The partner of each place: 1, 0, 3, 2, ...; a last one without stays alone."""
    places = np.arange(count) ^ 1
    return np.minimum(places, count - 1)


def _find_inside(centres: FloatArray, side: int, size: int) -> Tensor:
    """Which of `size` rows (or columns) lie in each square: bool [n, size]."""
    first = np.floor(centres * size).astype(np.int64) - side // 2
    places = np.arange(size) - first[:, None]
    return torch.from_numpy((places >= 0) & (places < side))
