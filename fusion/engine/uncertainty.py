"""What a network does not know: ensembles of networks, draws of dropout, and what their disagreement says.

Deep ensembles (Lakshminarayanan, Pritzel and Blundell 2017): the mean probability of networks trained from several
seeds. Monte-Carlo dropout (Gal and Ghahramani 2016): of one network with its dropout on; batch normalisation stays as
learned. The entropy of the mean (total) is the mean entropy of the members (what the data leave open) and the mutual
information between answer and member (what more data could settle; Depeweg et al. 2018). For fields with predicted
variance the two are the mean variance and the variance of the means (Kendall and Gal 2017).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import xlogy
from torch import Tensor

from fusion.engine.dataset import Gathers
from fusion.engine.head import Decoded, Head, TargetInfo
from fusion.engine.normalise import InputSpec
from fusion.engine.predictor import Found, Predictor, find_checkpoints, find_dropout, open_predictor
from fusion.engine.restore import check_inputs, check_target
from fusion.engine.strangeness import NO_GAUGE, Gauge, catch_features
from fusion.engine.symmetries import Array, Rows
from fusion.errors import SpecError

Doubts = dict[str, Array]  # per sample [n]: entropies in nats, or variances in the square of the field's unit


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Networks that answer together, `draws` times each with dropout on (0: once with it off).

    The same seed and the same batches give the same draws. `gauge` says how strange samples are to them.
    """

    networks: tuple[Predictor, ...]
    draws: int = 0
    seed: int = 0
    gauge: Gauge = NO_GAUGE

    @property
    def first(self) -> Predictor:
        return self.networks[0]

    @property
    def head(self) -> Head:
        return self.first.head

    @property
    def target(self) -> TargetInfo:
        return self.first.target

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return self.first.inputs

    @property
    def temperature(self) -> float:
        return self.first.temperature

    @property
    def count(self) -> int:
        """How many answers are averaged."""
        return len(self.networks) * max(self.draws, 1)

    def set_temperature(self, temperature: float) -> "Ensemble":
        """The same with another temperature, one for all members."""
        networks = tuple(replace(network, temperature=temperature) for network in self.networks)
        return replace(self, networks=networks)

    def ask(self, arrays: Mapping[str, Gathers], rows: Rows) -> list[Tensor]:
        """Every member's outputs for a batch of rows."""
        return [
            network.ask(arrays, rows, self._find_seed(number, draw, rows) if self.draws else None)
            for number, network in enumerate(self.networks)
            for draw in range(max(self.draws, 1))
        ]

    def ask_and_gauge(self, arrays: Mapping[str, Gathers], rows: Rows) -> tuple[list[Tensor], Array | None]:
        """The same, and how strange these rows are to the members [n]; None where nothing measures it."""
        with catch_features(self.networks, self.gauge) as features:
            outputs = self.ask(arrays, rows)
        return outputs, self.gauge.measure(outputs, features)

    def decode(self, outputs: Sequence[Array | Tensor]) -> tuple[Decoded, Doubts]:
        """Members' outputs as one answer, and per sample what they leave open."""
        members: list[Decoded] = [self.first.decode(output) for output in outputs]
        combine = self.head.combine
        together = members[0] if len(members) == 1 or combine is None else combine(members)
        return together, describe_doubts(members)

    def _find_seed(self, number: int, draw: int, rows: Rows) -> int:
        """One seed per member and batch, whatever was drawn before."""
        first = int(rows[0]) if len(rows) else 0
        return int(np.random.default_rng([self.seed, number, draw, first]).integers(2**31))


def open_ensemble(
    found: Found,
    more: Sequence[str] = (),
    *,
    draws: int | None = None,
    seed: int = 0,
    temperature: float | None = None,
    device: str = "auto",
    threads: int = 1,
) -> Ensemble:
    """Checkpoints that were found and `more` by path, as one; an error where they do not go together.

    Draws and temperature are those that the report states, where none are given and nothing is added to it.
    """
    others = [checkpoint for path in more for checkpoint in find_checkpoints(Path(path)).checkpoints]
    checkpoints = [*found.checkpoints, *others]
    heat = (1.0 if others else found.temperature) if temperature is None else temperature
    networks = tuple(
        open_predictor(checkpoint, device=device, threads=threads, temperature=heat) for checkpoint in checkpoints
    )
    wanted = found.dropout_draws if draws is None else draws
    _check_members(networks, wanted)
    return Ensemble(networks=networks, draws=wanted, seed=seed)


def _check_members(networks: Sequence[Predictor], draws: int) -> None:
    first = networks[0]
    for network in networks[1:]:
        check_inputs(network.checkpoint, first.inputs)
        check_target(network.checkpoint, first.target)
    if len(networks) * max(draws, 1) > 1 and first.head.combine is None:
        raise SpecError(f"checkpoints: answers of head {first.head.name!r} cannot be averaged; name one network.")
    for network in networks:
        if draws and not find_dropout(network.network):
            raise SpecError(
                f"dropout_draws: {network.checkpoint.path} has no dropout. Train with network.dropout above 0, "
                "or name several checkpoints instead."
            )


def describe_doubts(members: Sequence[Decoded]) -> Doubts:
    """Per sample [n], means over pixels where there are any; nothing for heads without probabilities or variances."""
    if "probability" in members[0]:
        return find_entropies(np.stack([member["probability"] for member in members]))
    if "variance" in members[0] or (len(members) > 1 and "mean" in members[0]):
        return find_variances(members)
    return {}


def find_entropies(shares: Array) -> Doubts:
    """Entropies in nats from probabilities [members, n, k], or [members, n, ..., k, y, x] of masks."""
    exact = np.asarray(shares, dtype=np.float64)
    axis = -1 if exact.ndim == 3 else -3
    total, expected = _entropy(exact.mean(axis=0), axis), _entropy(exact, axis).mean(axis=0)
    doubts = {"entropy": total, "expected_entropy": expected, "mutual_information": np.maximum(total - expected, 0)}
    return {name: _mean_rest(values) for name, values in doubts.items()}


def find_variances(members: Sequence[Decoded]) -> Doubts:
    """Variances from means and, where predicted, variances [n, ...] of each member."""
    means = np.stack([np.asarray(member["mean"], dtype=np.float64) for member in members])
    noise = [np.asarray(member.get("variance", np.zeros(1)), dtype=np.float64) for member in members]
    aleatoric = np.broadcast_to(np.mean(noise, axis=0), means.shape[1:])
    epistemic = means.var(axis=0)
    doubts = {"variance": aleatoric + epistemic, "aleatoric_variance": aleatoric, "epistemic_variance": epistemic}
    return {name: _mean_rest(values) for name, values in doubts.items()}


def _entropy(shares: Array, axis: int) -> Array:
    return np.asarray(-xlogy(shares, shares).sum(axis=axis))


def _mean_rest(values: Array) -> Array:
    """Mean over all but samples."""
    return np.asarray(np.nanmean(values.reshape(len(values), -1), axis=1) if values.ndim > 1 else values)


def describe_members(ensemble: Ensemble, names: Sequence[str]) -> dict[str, Any]:
    """Who answers, ready for JSON; `names` are the checkpoints' files as the report writes them."""
    return {
        "members": [
            {
                "checkpoint": name,
                "weights_sha256": network.checkpoint.words.weights_sha256,
                "seed": network.checkpoint.spec.seed,
            }
            for name, network in zip(names, ensemble.networks, strict=True)
        ],
        "dropout_draws": ensemble.draws,
        "answers": ensemble.count,
    }
