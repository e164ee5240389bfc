"""Boxes as maps and maps as boxes: heat, offset, size and angle per pixel (Zhou, Wang and Krähenbühl 2019).

A box is learned at the pixel that holds its centre. There the heat map of its class is 1, and falls off around it as a
Gaussian whose width follows the box's shorter side; beside it stand the centre's place in the pixel, the logarithms of
width and height in units of their mean and spread, and cosine and sine of twice the angle, for which a box and the same
box turned by 180 degrees are one. Where two centres share a pixel the smaller box is learned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fusion.boxes import suppress
from fusion.errors import BadInputError

Array = npt.NDArray[Any]
OFFSET, SIZE, ANGLE = 2, 2, 2  # channels each
SIGMA_SHARE, SIGMA_LEAST = 1 / 8, 0.6  # of the shorter side; pixels: below it no neighbour would feel the centre
PRIOR = -2.19  # logit of 0.1: so that empty ground costs little at the start (Lin et al. 2017)
LOG_LIMIT = 4.0  # standard deviations of the logarithm of a size
MOST_FOUND = 100  # boxes of a sample


@dataclass(frozen=True, kw_only=True)
class BoxForm:
    """How boxes are laid out as channels: heat of each class, offset, size, angle if oriented.

    `mean` and `std` are of the logarithms of width and height. Targets have one channel more, 1 at centres.
    """

    classes: int
    oriented: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        return self.classes + OFFSET + SIZE + (ANGLE if self.oriented else 0)


def check_boxes(boxes: Array, size: tuple[int, int]) -> None:
    """BadInputError where a box [n, 6] has its centre outside the patch, which no pixel could learn."""
    is_out = (boxes[:, 0] < 0) | (boxes[:, 1] < 0) | (boxes[:, 0] > size[1]) | (boxes[:, 1] > size[0])
    if is_out.any():
        first = boxes[is_out.argmax()]
        raise BadInputError(
            f"a box has its centre at x {first[0]:g}, y {first[1]:g}, outside the {size[0]} x {size[1]} pixels. "
            "Cut it at the edge, or leave it out"
        )


def encode(boxes: Array, size: tuple[int, int], form: BoxForm) -> npt.NDArray[np.float32]:
    """One sample's boxes [n, 6] as float32 [channels + 1, y, x]."""
    check_boxes(boxes, size)
    maps = np.zeros((form.channels + 1, *size), dtype=np.float32)
    for box in boxes[np.argsort(-boxes[:, 2] * boxes[:, 3], kind="stable")].astype(np.float64):
        column, row = (min(int(place), most - 1) for place, most in zip(box[:2], (size[1], size[0]), strict=True))
        _add_heat(maps[int(box[5])], row, column, max(SIGMA_LEAST, SIGMA_SHARE * float(box[2:4].min())))
        values = [box[0] - column - 0.5, box[1] - row - 0.5, *(np.log(box[2:4]) - form.mean) / form.std]
        if form.oriented:
            values += [np.cos(2 * np.radians(box[4])), np.sin(2 * np.radians(box[4]))]
        maps[form.classes : form.channels, row, column] = values
        maps[form.channels, row, column] = 1.0
    return maps


def _add_heat(heat: Array, row: int, column: int, sigma: float) -> None:
    reach = int(np.ceil(3 * sigma))
    rows = np.arange(max(0, row - reach), min(heat.shape[0], row + reach + 1))
    columns = np.arange(max(0, column - reach), min(heat.shape[1], column + reach + 1))
    drawn = np.exp(-((rows[:, None] - row) ** 2 + (columns[None] - column) ** 2) / (2 * sigma**2))
    window = heat[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.maximum(window, drawn, out=window, casting="same_kind")


def measure_maps(outputs: Tensor, target: Tensor, form: BoxForm) -> Tensor:
    """Cost [n] of each sample: focal loss of the heat, L1 of the rest at centres, per true box of the sample."""
    k, last = form.classes, form.channels
    logits, heat = outputs[:, :k] + PRIOR, target[:, :k]
    share = logits.sigmoid()
    at_centre = -((1 - share) ** 2) * functional.logsigmoid(logits)
    elsewhere = -((1 - heat) ** 4) * share**2 * functional.logsigmoid(-logits)
    is_centre = target[:, last : last + 1]
    cost = torch.where(heat == 1, at_centre, elsewhere).flatten(1).sum(dim=1)
    rest = ((outputs[:, k:last] - target[:, k:last]).abs() * is_centre).flatten(1).sum(dim=1)
    return (cost + rest) / is_centre.flatten(1).sum(dim=1).clamp_min(1)


def find_peaks(heat: Tensor) -> Tensor:
    """Where no neighbour of the 8 is warmer: bool [n, classes, y, x]."""
    return heat == functional.max_pool2d(heat, 3, stride=1, padding=1)


def decode(
    outputs: Tensor, form: BoxForm, *, temperature: float, least: float, overlap: float
) -> tuple[Tensor, Tensor]:
    """Boxes [m, 7] with their score last, best first in each sample, and offsets [n + 1] between samples.

    Peaks of a score of `least` at least, MOST_FOUND of a sample at most; of those of a class that overlap by more than
    `overlap` the best alone is kept.
    """
    outputs = outputs.detach()
    heat = outputs[:, : form.classes] / temperature + PRIOR
    chosen = find_peaks(heat) & (heat.sigmoid() >= least)
    places = [_choose(heat[row], chosen[row]) for row in range(len(outputs))]
    rest = outputs[:, form.classes : form.channels].cpu().numpy()
    found = [_read_boxes(rest[row], *place, form, overlap) for row, place in enumerate(places)]
    return join(found)


def _choose(heat: Tensor, chosen: Tensor) -> tuple[Array, Array]:
    """Places (class, row, column) [m, 3] of the warmest peaks and their scores."""
    places = chosen.nonzero()
    scores = heat[chosen].sigmoid()
    best = scores.argsort(descending=True, stable=True)[:MOST_FOUND]
    return places[best].cpu().numpy(), scores[best].cpu().numpy()


def _read_boxes(maps: Array, places: Array, scores: Array, form: BoxForm, overlap: float) -> Array:
    kind, row, column = places.T
    values = maps[:, row, column].astype(np.float64)
    boxes = np.zeros((len(scores), 7))
    boxes[:, 0], boxes[:, 1] = column + 0.5 + values[0], row + 0.5 + values[1]
    boxes[:, 2:4] = np.exp(np.clip(values[2:4].T, -LOG_LIMIT, LOG_LIMIT) * form.std + form.mean)
    if form.oriented:
        boxes[:, 4] = np.degrees(np.arctan2(values[5], values[4])) / 2
    boxes[:, 5], boxes[:, 6] = kind, scores
    return boxes[suppress(boxes, scores, kind, overlap)]


def join(samples: Iterable[Array]) -> tuple[Tensor, Tensor]:
    """Boxes of several samples one after the other, and the offsets between them."""
    parts = list(samples)
    offsets = np.cumsum([0, *map(len, parts)])
    joined = np.concatenate([np.zeros((0, 7)), *parts]).astype(np.float32)
    return torch.from_numpy(joined), torch.from_numpy(offsets)


def decode_target(target: Tensor, form: BoxForm) -> tuple[Tensor, Tensor]:
    """The boxes that a target was made of, with score 1: what `decode` finds in perfect outputs."""
    maps = target.cpu().numpy()
    found = []
    for sample in maps:
        is_centre = (sample[: form.classes] == 1) & (sample[form.channels] == 1)[None]
        places = np.argwhere(is_centre)
        found.append(_read_boxes(sample[form.classes :], places, np.ones(len(places)), form, 1.0))
    return join(found)
