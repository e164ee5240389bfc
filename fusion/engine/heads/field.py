"""Continuous values, one or more bands per pixel or per sample: heights, shares, temperatures, other images.

The network gives values in units of the train split's mean and standard deviation per band. The loss is the mean over
samples of the mean over a sample's known values: squares (L2), absolutes (L1), or with `variance` the Gaussian negative
log-likelihood of mean and logarithm of variance, two outputs per band (Kendall and Gal 2017). The temperature that is
fitted on validation multiplies the predicted standard deviation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusion import field_scores
from fusion.bootstrap import Interval
from fusion.engine.head import Decoded, Evidence, Head, Inputs, TargetInfo, find_grid
from fusion.engine.input_rows import InputRows
from fusion.engine.option import Option
from fusion.engine.symmetries import Array, Rows
from fusion.engine.targets import TargetArray, TargetReader, check_grid, open_values, spread
from fusion.errors import SpecError
from fusion.pack import Pack

LOOKED_AT = 2000  # samples that mean and standard deviation are measured on
LOG_LIMIT = 10.0  # of the logarithm of a variance: exp() of more would end in infinity early in a run
DIMS = (("y", "x"), ("band", "y", "x"), ("time", "band", "y", "x"), ("band",))


@dataclass(frozen=True, kw_only=True)
class FieldRows:
    """Values of a pack in physical units, float32 [n, bands, (y, x)], NaN where nothing is known."""

    values: TargetArray

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        return self.values.present

    def read(
        self, rows: Rows, inputs: Mapping[str, Tensor], device: torch.device, symmetries: Rows | None = None
    ) -> Tensor:
        stored = self.values.read(rows, torch.device("cpu"), symmetries).values.numpy()
        return torch.from_numpy(self._clean(stored, rows)).to(device, non_blocking=True)

    def read_truth(self, rows: Rows) -> dict[str, Array]:
        return {"field": self._clean(np.asarray(self.values.array.gather(rows)), rows)}

    def _clean(self, stored: Array, rows: Rows) -> Array:
        entry = self.values.array.entry
        is_known = np.isfinite(stored) & self.present[rows].reshape(-1, *[1] * (stored.ndim - 1))
        if entry["nodata"] is not None:
            is_known &= stored != np.asarray(entry["nodata"], dtype=stored.dtype)
        values = stored.astype(np.float32)
        if "modality" in entry:
            values = (values + np.float32(entry["offset"])) * np.float32(entry["scale"])
        values[~is_known] = np.nan
        return _lay_bands(values, tuple(entry["dims"]))


def _lay_bands(values: Array, dims: tuple[str, ...]) -> Array:
    """[n, bands, (y, x)]: a field without bands has one, dates are laid one after the other."""
    if dims == ("y", "x"):
        return values[:, None]
    return values.reshape(len(values), -1, *values.shape[3:]) if dims[0] == "time" else values


def complete(pack: Pack, target: TargetInfo, inputs: Inputs, rows: Rows) -> TargetInfo:
    """Dims, bands and unit of the field; mean and standard deviation of each band over train rows."""
    if target.options.get("variance") and target.options.get("loss", "l2") != "l2":
        raise SpecError("objective.loss: with a predicted variance the likelihood takes the loss's place; leave it l2.")
    values = open_values(pack, target.name)
    entry, dims = values.array.entry, tuple(values.array.entry["dims"])
    if dims not in DIMS or values.array.dtype.kind not in "fui":
        raise SpecError(
            f"target: {target.name!r} of {pack.folder} has dims {', '.join(dims)} of {values.array.dtype}; a field has "
            "real numbers by y, x or band, y, x or time, band, y, x or band. Choose another target."
        )
    if dims[-2:] == ("y", "x"):
        check_grid(pack, target.name, tuple(values.array.entry["shape"][-2:]), find_grid(inputs))
    unit = str(entry.get("unit") or "") or next(iter(entry.get("units", [])), "")
    found = replace(target, dims=dims, bands=_name_bands(target.name, entry, dims), unit=unit)
    return _measure(pack, found, rows[values.present[rows]]) if len(rows) else found


def _name_bands(name: str, entry: Mapping[str, Any], dims: tuple[str, ...]) -> tuple[str, ...]:
    if dims == ("y", "x"):
        return (name,)
    shape = dict(zip(dims, entry["shape"], strict=True))
    count = shape["band"]
    own = entry.get("bands") or ([name] if count == 1 else [f"{name} {band}" for band in range(count)])
    return (
        tuple(own) if "time" not in shape else tuple(f"{time} {band}" for time in range(shape["time"]) for band in own)
    )


def _measure(pack: Pack, target: TargetInfo, rows: Rows) -> TargetInfo:
    """The target with mean and standard deviation per band over these rows; 1 where a band is constant."""
    reader, sums = FieldRows(values=open_values(pack, target.name)), np.zeros((3, len(target.bands)))
    for row in spread(rows, LOOKED_AT):
        values = reader.read_truth(np.array([row]))["field"][0].reshape(len(target.bands), -1).astype(np.float64)
        known = np.isfinite(values)
        sums += [known.sum(axis=1), values.sum(axis=1, where=known), (values**2).sum(axis=1, where=known)]
    count, total, square = sums
    if not count.all():
        band = target.bands[int(count.argmin())]
        raise SpecError(
            f"target: none of the {len(rows)} train samples of {pack.folder} that have {target.name!r} holds a value "
            f"of {band!r}: all is nodata. Correct the field, or choose another target."
        )
    mean = total / count
    spread_of = np.sqrt(np.maximum(square / count - mean**2, 0))
    std = np.where(spread_of > 1e-12, spread_of, 1.0)
    return replace(target, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def open_target(pack: Pack, target: TargetInfo, inputs: Inputs) -> TargetReader:
    """The field of the pack; without a name the inputs themselves (objective `reconstruction`)."""
    if not target.name:
        return InputRows(pack=pack, inputs=tuple(inputs))
    return FieldRows(values=open_values(pack, target.name))


def count_outputs(target: TargetInfo) -> int:
    """One value per band, and with `variance` the logarithm of one."""
    return len(target.bands) * (2 if has_variance(target) else 1)


def has_variance(target: TargetInfo) -> bool:
    """Whether the network says how sure it is."""
    return bool(target.options.get("variance"))


def _shape(numbers: Sequence[float], values: Tensor) -> Tensor:
    """One number per band, to be met by [n, bands, ...]."""
    return torch.tensor(numbers, dtype=torch.float32, device=values.device).reshape(-1, *[1] * (values.ndim - 2))


def standardise(values: Tensor, target: TargetInfo) -> Tensor:
    """Physical values in units of the network's outputs."""
    return (values - _shape(target.mean, values)) / _shape(target.std, values)


def measure_error(outputs: Tensor, values: Tensor, *, target: TargetInfo) -> Tensor:
    """L1, L2 or negative log-likelihood (without its constant) in units of the train split's standard deviation."""
    bands = len(target.bands)
    known = torch.isfinite(values)
    error = outputs[:, :bands] - torch.where(known, standardise(values, target), 0.0)
    if has_variance(target):
        logarithm = outputs[:, bands:].clamp(-LOG_LIMIT, LOG_LIMIT)
        costs = (error**2 * torch.exp(-logarithm) + logarithm) / 2
    else:
        costs = error.abs() if target.options.get("loss") == "l1" else error**2
    return mean_known(costs, known)


def mean_known(costs: Tensor, known: Tensor) -> Tensor:
    """Mean over samples of the mean over what is known of each; 0 for a sample of which nothing is."""
    total = torch.where(known, costs, 0.0).flatten(1).sum(dim=1)
    return (total / known.flatten(1).sum(dim=1).clamp_min(1)).mean()


def _find_errors(outputs: Tensor, values: Tensor, target: TargetInfo) -> Tensor:
    """Errors in physical units at all known values of a batch."""
    bands = len(target.bands)
    found = outputs[:, :bands] * _shape(target.std, outputs) + _shape(target.mean, outputs)
    return (found - values)[torch.isfinite(values)]


def measure_rmse(outputs: Tensor, values: Tensor, *, target: TargetInfo) -> Tensor:
    """Root of the mean squared error over the batch, in the field's unit."""
    return _find_errors(outputs, values, target).square().mean().sqrt()


def measure_mae(outputs: Tensor, values: Tensor, *, target: TargetInfo) -> Tensor:
    """Mean absolute error over the batch, in the field's unit."""
    return _find_errors(outputs, values, target).abs().mean()


def measure_r2(outputs: Tensor, values: Tensor, *, target: TargetInfo) -> Tensor:
    """Share of the batch's variance that is explained."""
    known = values[torch.isfinite(values)]
    return 1 - _find_errors(outputs, values, target).square().sum() / (known - known.mean()).square().sum()


def decode(outputs: Tensor, temperature: float, *, target: TargetInfo) -> dict[str, Tensor]:
    """`mean` [n, bands, (y, x)] in the field's unit, and `variance` in its square where it is predicted."""
    bands, exact = len(target.bands), outputs.float()
    std = _shape(target.std, exact)
    found = {"mean": exact[:, :bands] * std + _shape(target.mean, exact)}
    if has_variance(target):
        logarithm = exact[:, bands:].clamp(-LOG_LIMIT, LOG_LIMIT)
        found["variance"] = torch.exp(logarithm) * (std * temperature) ** 2
    return found


def combine(members: Sequence[Decoded]) -> dict[str, Array]:
    """Mean and variance of the members' mixture (Lakshminarayanan et al. 2017): their own variance and their spread."""
    means = np.stack([member["mean"] for member in members])
    own = np.mean([member["variance"] for member in members], axis=0) if "variance" in members[0] else 0.0
    smallest = np.finfo(np.float32).tiny  # members may agree to the last bit
    return {"mean": means.mean(axis=0), "variance": np.maximum(own + means.var(axis=0), smallest)}


def collect(truth: Mapping[str, Array], decoded: Decoded, *, target: TargetInfo) -> Evidence:
    """Sums [n, bands, ...] per sample: no pixel need be kept."""
    reference = target.mean or (0.0,) * len(target.bands)
    sums = field_scores.sum_errors(truth["field"], decoded["mean"], decoded.get("variance"), reference=reference)
    return {"sums": sums}


def score(
    evidence: Sequence[Evidence], blocks: Sequence[Any], seed: int, resamples: int, *, target: TargetInfo
) -> dict[str, Any]:
    """Every score of fusion.field_scores."""
    words: dict[str, Any] = {"blocks": blocks, "seed": seed, "resamples": resamples}
    return field_scores.evaluate(_join(evidence), bands=target.bands, unit=target.unit, **words)


def compare(
    one: Sequence[Evidence],
    other: Sequence[Evidence],
    metric: str,
    blocks: Sequence[Any],
    seed: int,
    resamples: int,
) -> Interval:
    """Metric of one minus metric of the other, paired (fusion.field_scores)."""
    return field_scores.paired_difference(_join(one), _join(other), blocks, metric, seed=seed, resamples=resamples)


def fit_temperature(evidence: Sequence[Evidence]) -> float:
    """What multiplies the predicted standard deviation so that it is that of the errors."""
    return field_scores.fit_scale(_join(evidence))


def _join(evidence: Sequence[Evidence]) -> Array:
    return np.concatenate([part["sums"] for part in evidence])


def paint(outputs: Tensor, values: Tensor, *, target: TargetInfo) -> tuple[Tensor, Tensor]:
    """Predicted and true values [n, bands, y, x] in units of the network's outputs, both 0 where nothing is known."""
    known = torch.isfinite(values)
    zero = torch.zeros((), dtype=outputs.dtype, device=outputs.device)
    pair = outputs[:, : len(target.bands)], standardise(values, target)
    return torch.where(known, pair[0], zero), torch.where(known, pair[1], zero)


def bind(target: TargetInfo) -> Head:
    """The head over the target's bands and options."""
    return Head(
        name="field",
        title="Field",
        output="either",
        options={
            "loss": Option(default="l2", choices=("l2", "l1")),
            "variance": Option(default=False),
        },
        stored="mean",
        bind=bind,
        complete=complete,
        count_outputs=count_outputs,
        open_target=open_target,
        loss=partial(measure_error, target=target),
        metrics={
            "rmse": partial(measure_rmse, target=target),
            "mae": partial(measure_mae, target=target),
            "r2": partial(measure_r2, target=target),
        },
        decode=partial(decode, target=target),
        combine=combine,
        collect=partial(collect, target=target),
        score=partial(score, target=target),
        compare=compare,
        fit_temperature=fit_temperature if has_variance(target) else None,
        paint=partial(paint, target=target),
    )


HEAD = bind(TargetInfo(name="", head="field"))
