"""A network over the windows of one tile: normalised once, cut as views, answers blended where windows overlap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusion.engine.head import find_output
from fusion.engine.normalise import InputSpec
from fusion.engine.predictor import Predictor, turn_dropout_on
from fusion.engine.strangeness import catch_features
from fusion.engine.uncertainty import Ensemble
from fusion.errors import CheckpointError, SpecError
from fusion.mapping.layout import MapLayout, Windows, split_rows, weigh
from fusion.mapping.spec import ArrayWords, Tile

Array = npt.NDArray[np.generic]
AXES = {"time": 0, "band": 1, "y": 2, "x": 3}  # of what fusion.mapping.reading reads
SMALLEST = 1e-12
MAPPED = ("classes", "mask", "field")  # heads that give something for each place


@dataclass(frozen=True, kw_only=True)
class TileNetwork:
    """One or several networks that answer for tiles; the ensemble's gauge says how strange a place is to them."""

    ensemble: Ensemble
    batch_size: int = 256

    @property
    def size(self) -> int:
        """Pixels along a side of a window."""
        return self.ensemble.inputs[0].shape[-1]

    def lay_out(self, height: int, width: int) -> MapLayout:
        """The map over scenes of this many pixels; SpecError where what the network gives is no map."""
        target, size = self.ensemble.target, self.ensemble.inputs[0].shape[-2:]
        if target.head not in MAPPED:
            raise SpecError(f"A network whose head is {target.head!r} draws no map: it gives no value for each place.")
        if "time" in target.dims:
            raise SpecError("A network that answers for each date of a series draws no single map.")
        if size[0] != size[1]:
            raise SpecError(f"The network sees {size[0]} x {size[1]} pixels; maps are drawn by those that see squares.")
        output = find_output(self.ensemble.head, target)
        return MapLayout(height=height, width=width, size=size[0], output="map" if output == "map" else "vector")

    def predict(self, stored: Mapping[str, Array], windows: Windows, layout: MapLayout, tile: Tile) -> dict[str, Array]:
        """What is known of a tile's pixels, float32 [k, rows, columns] by name.

        `probability` of each class, or `mean` (and `variance`) of each band; `disagreement` of members in nats;
        `strangeness` [1, ...] where the ensemble has a gauge.
        """
        networks = self.ensemble.networks
        for predictor in networks:
            predictor.network.eval()
        device = self.ensemble.first.device
        is_half = device.type == "cuda" and self.ensemble.first.checkpoint.spec.precision != "float32"
        blend = _Blend(windows=windows) if layout.output == "map" else None
        parts: list[dict[str, Tensor]] = []
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=is_half):
            scenes = [_prepare(predictor, stored) for predictor in networks]
            for first, end in split_rows(windows, self.batch_size):
                found = self._answer([cut_windows(scene, windows, first, end) for scene in scenes], (*tile, first))
                if blend is None:
                    parts.append(found)
                else:
                    blend.add(found, first)
        if blend is not None:
            return blend.finish(tile)
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return {name: _lay_rows(values, windows) for name, values in joined.items()}

    def _answer(self, images: Sequence[Tensor], place: tuple[int, ...]) -> dict[str, Tensor]:
        """Everything of one batch of windows, over members and draws."""
        networks, gauge = self.ensemble.networks, self.ensemble.gauge
        outputs, answers = [], []
        with catch_features(networks, gauge) as features:
            for member, (predictor, image) in enumerate(zip(networks, images, strict=True)):
                if not predictor.network.channels_last:
                    image = image.contiguous()
                for draw in range(max(1, self.ensemble.draws)):
                    seed = _mix(self.ensemble.seed, member, draw, *place) if self.ensemble.draws else None
                    with turn_dropout_on(predictor.network, seed):
                        outputs.append(predictor.network.architecture(image).float())
                    answers.append(predictor.head.decode(outputs[-1], predictor.temperature))
        found = combine(answers)
        strangeness = gauge.measure(outputs, features)
        if strangeness is not None:
            found["strangeness"] = torch.from_numpy(np.asarray(strangeness, dtype=np.float32)).unsqueeze(1)
        return found


def combine(answers: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Means over members; of classes also how much they disagree, of values the variance among them beside their own.

    Disagreement is the mutual information of the class and the member in nats (Depeweg et al. 2018, arXiv 1710.07283):
    the entropy of the mean less the mean of the entropies.
    """
    if len(answers) == 1:
        return {name: answers[0][name] for name in ("probability", "mean", "variance") if name in answers[0]}
    if "probability" in answers[0]:
        shares = torch.stack([answer["probability"] for answer in answers])
        mean = shares.mean(dim=0)
        apart = measure_entropy(mean) - measure_entropy(shares.flatten(0, 1)).unflatten(0, shares.shape[:2]).mean(dim=0)
        return {"probability": mean, "disagreement": apart.clamp_min(0.0)}
    values = torch.stack([answer["mean"] for answer in answers])
    own = [answer["variance"] for answer in answers if "variance" in answer]
    among = values.var(dim=0, correction=0)
    return {"mean": values.mean(dim=0), "variance": among + torch.stack(own).mean(dim=0) if own else among}


def measure_entropy(shares: Tensor) -> Tensor:
    """Entropy in nats over axis 1, which is kept; one class alone is its share against the rest."""
    shares = torch.cat([shares, 1 - shares], dim=1) if shares.shape[1] == 1 else shares
    return -torch.xlogy(shares, shares.clamp_min(SMALLEST)).sum(dim=1, keepdim=True)


def cut_windows(scene: Tensor, windows: Windows, first: int, end: int) -> Tensor:
    """Rows of windows [n, ..., size, size] of a prepared scene [y, x, ...], copied once, channels last in memory."""
    band = scene[first * windows.stride : (end - 1) * windows.stride + windows.size]
    views = band.unfold(0, windows.size, windows.stride).unfold(1, windows.size, windows.stride)
    order = (0, 1, views.ndim - 2, views.ndim - 1, *range(2, views.ndim - 2))  # windows, y, x, channels
    flat = views.permute(order).reshape(-1, windows.size, windows.size, *scene.shape[2:])
    laid = flat.permute(0, *range(3, flat.ndim), 1, 2)
    return laid if laid.ndim == 4 else laid.contiguous()


def check_scenes(predictor: Predictor, scenes: Mapping[str, ArrayWords]) -> None:
    """CheckpointError names the array, and its field, that is not what the network was taught."""
    path = predictor.checkpoint.path
    for spec in predictor.inputs:
        if spec.name not in scenes:
            raise CheckpointError(f"{path}: modalities: it reads {spec.name}; there are {', '.join(scenes)}.")
        words = scenes[spec.name]
        times = spec.shape[spec.dims.index("time")] if "time" in spec.dims else 1
        for field, own, other in (("bands", spec.bands, words.bands), ("dates", times, len(words.dates))):
            if own != other:
                raise CheckpointError(f"{path}: {field} of {spec.name} is {own}; the scene's is {other}.")


def _prepare(predictor: Predictor, stored: Mapping[str, Array]) -> Tensor:
    """What the architecture sees of the whole tile, [y, x, channels] or [y, x, time, channels] in memory."""
    given = {spec.name: _lay_out(predictor, spec, stored[spec.name]) for spec in predictor.inputs}
    prepared = predictor.network.prepare(given)[0]
    return prepared.permute(prepared.ndim - 2, prepared.ndim - 1, *range(prepared.ndim - 2)).contiguous()


def _lay_out(predictor: Predictor, spec: InputSpec, values: Array) -> Tensor:
    """[1, *dims] on the device of [date, band, y, x], in the stored dtype."""
    if str(values.dtype) != spec.dtype:
        raise CheckpointError(
            f"{predictor.checkpoint.path}: dtype of {spec.name} is {spec.dtype}; the scene's is {values.dtype}."
        )
    order = [AXES[dim] for dim in spec.dims if dim in AXES]
    if len(order) != len(spec.dims):
        raise CheckpointError(f"{predictor.checkpoint.path}: dims of {spec.name} are {spec.dims}: no scene has them.")
    laid = values.transpose(*(axis for axis in range(4) if axis not in order), *order)
    tensor = torch.from_numpy(np.ascontiguousarray(laid)).to(predictor.device)
    return tensor if len(order) == 4 else tensor[0].unsqueeze(0)


def _mix(*numbers: int) -> int:
    """One seed of several numbers, the same everywhere."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])


def _lay_rows(values: Tensor, windows: Windows) -> Array:
    """[k, down, across] of one row per window."""
    laid = values.reshape(windows.down, windows.across, -1).permute(2, 0, 1)
    return laid.contiguous().cpu().numpy()


class _Blend:
    """Sums of the answers of overlapping windows, each weighted by how far from its border a pixel lies.

    Every second window of every second row lies beside its like without overlap: four sums of many windows at once.
    """

    def __init__(self, *, windows: Windows) -> None:
        self._windows, self._weight = windows, torch.from_numpy(weigh(windows.size))
        self._period = 2 * windows.stride  # at least the size, by one pixel more where that is odd
        _, _, height, width = windows.box
        self._shape = height + self._period, width + self._period
        self._sums: dict[str, Tensor] = {}

    def add(self, found: Mapping[str, Tensor], first: int) -> None:
        """Answers [n, k, size, size] of whole rows of windows, the first of which is row `first`."""
        for name, values in found.items():
            if name not in self._sums:
                self._sums[name] = torch.zeros(values.shape[1], *self._shape)
            rows = values.cpu().unflatten(0, (-1, self._windows.across))
            for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
                self._add_apart(self._sums[name], rows[down::2, right::2], first + down, right)

    def _add_apart(self, sums: Tensor, values: Tensor, row: int, column: int) -> None:
        """Windows [down, across, k, size, size] that do not touch each other."""
        down, across = values.shape[:2]
        if not down or not across:
            return
        period, size, stride = self._period, self._windows.size, self._windows.stride
        y, x = row * stride, column * stride
        place = sums[:, y : y + down * period, x : x + across * period]
        cells = place.unflatten(2, (across, period)).unflatten(1, (down, period))
        cells[:, :, :size, :, :size].addcmul_(values.permute(2, 0, 3, 1, 4), self._weight[:, None, :])

    def finish(self, tile: Tile) -> dict[str, Array]:
        """The blended values of the tile's own pixels."""
        row, column, rows, columns = tile
        y, x = row - self._windows.top, column - self._windows.left
        own = (slice(None), slice(y, y + rows), slice(x, x + columns))
        weights = (
            self._sum_weights(self._windows.down)[y : y + rows, None]
            * self._sum_weights(self._windows.across)[x : x + columns]
        )
        return {name: (sums[own] / weights).contiguous().numpy() for name, sums in self._sums.items()}

    def _sum_weights(self, count: int) -> Tensor:
        """Summed weights along one side; those of a window are the product of its two sides'."""
        size, stride = self._windows.size, self._windows.stride
        side = torch.sin(torch.pi * (torch.arange(size) + 0.5) / size) ** 2
        sums = torch.zeros((count - 1) * stride + size)
        for place in range(count):
            sums[place * stride : place * stride + size] += side
        return sums
