"""How strange samples are to an ensemble: from its logits, or from how far their features lie from those of training.

`neighbours` is the distance to the tenth nearest training sample in what the last linear layer is given, turned and
scaled so that over training no direction has more variance than another (distances to neighbours: Sun, Ming, Zhu and
Li 2022, arXiv 2204.06507, who divide features by their length instead). It needs features of training samples, which a
report keeps in a file beside it, by the hash of the weights that they are of.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from fusion.engine.predictor import Predictor
from fusion.engine.symmetries import Array, Rows
from fusion.errors import BadInputError, CheckpointError
from fusion.out_of_domain import score_strangeness
from fusion.pack import Pack
from fusion.run import OutOfDomain

DOMAIN_FILE = "domain.safetensors"
PARTS = ("features", "mean", "whitening")
NEIGHBOURS = 10
LEAST_VARIANCE = 1e-3  # of the largest, below which a direction of the features is not stretched further
KEPT = 5_000  # training samples whose features are kept, drawn where there are more


@dataclass(frozen=True, kw_only=True, eq=False)
class Domain:
    """Whitened features [m, d] of training samples: those as they come less `mean` [d], times `whitening` [d, d]."""

    features: Tensor
    mean: Tensor
    whitening: Tensor

    def measure(self, features: Tensor) -> Tensor:
        """Distance [n] of features [n, d] to the tenth nearest of training, in standard deviations."""
        placed = (features.float().cpu() - self.mean) @ self.whitening
        return torch.cdist(placed, self.features).topk(NEIGHBOURS, dim=1, largest=False).values[:, -1]


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """A score of strangeness, averaged over members; `domains` are theirs where it is `neighbours`."""

    method: OutOfDomain = "none"
    domains: tuple[Domain, ...] = ()

    def measure(self, outputs: Sequence[Tensor], features: Sequence[Tensor]) -> Array | None:
        """Strangeness [n, ...] from members' logits [n, k, ...] and features [n, d]; its draws stand together."""
        if self.method == "none":
            return None
        if self.method != "neighbours":
            return np.mean([_score_logits(output, self.method) for output in outputs], axis=0)
        draws = len(features) // len(self.domains)
        pairs = zip(features, (own for own in self.domains for _ in range(draws)), strict=True)
        return np.mean([own.measure(values).numpy() for values, own in pairs], axis=0)


NO_GAUGE = Gauge()


def _score_logits(outputs: Tensor, method: OutOfDomain) -> Array:
    rows = outputs.movedim(1, -1)
    scores = score_strangeness(rows.reshape(-1, rows.shape[-1]).cpu().numpy(), method)
    return np.asarray(scores).reshape(rows.shape[:-1])


@contextmanager
def catch_features(networks: Sequence[Predictor], gauge: Gauge) -> Iterator[list[Tensor]]:
    """What the last linear layer of each network is given within, in the order of asking; nothing if not needed."""
    caught: list[Tensor] = []
    layers = [find_last_layer(one.network) for one in networks] if gauge.domains else []
    hooks = [layer.register_forward_pre_hook(lambda _, given: caught.append(given[0])) for layer in layers]
    try:
        yield caught
    finally:
        for hook in hooks:
            hook.remove()


def find_last_layer(network: nn.Module) -> nn.Linear:
    """The linear layer that gives the logits; BadInputError where a network has none."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise BadInputError("the network has no linear layer whose features could be compared. Use energy.")
    return layers[-1]


def keep_domain(network: Predictor, pack: Pack, batch_size: int, seed: int) -> Domain:
    """Features of training samples of a pack, at most 5,000 of them."""
    names = [part.name for part in network.inputs]
    rows = pack.indices("train", having=names)
    if len(rows) < NEIGHBOURS:
        raise BadInputError(f"there are {len(rows)} training samples with all inputs; {NEIGHBOURS} are needed.")
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:KEPT])
    features = _find_features(network, pack, rows, batch_size)
    mean, whitening = whiten(features)
    return Domain(features=(features - mean) @ whitening, mean=mean, whitening=whitening)


def whiten(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [d] and the matrix [d, d] after which features [m, d] have variance 1 in every direction, or less.

    Directions with under a thousandth of the largest variance are scaled as if they had that much: few samples tell
    nothing of them.
    """
    mean = features.mean(dim=0)
    variance, directions = torch.linalg.eigh(torch.cov((features - mean).T.double()))
    least = (LEAST_VARIANCE * variance.max()).clamp_min(torch.finfo(torch.float32).tiny)
    return mean, (directions / variance.clamp_min(least).sqrt()).float()


def _find_features(network: Predictor, pack: Pack, rows: Rows, batch_size: int) -> Tensor:
    arrays = {part.name: pack.array(part.name) for part in network.inputs}
    caught: list[Tensor] = []
    layer = find_last_layer(network.network)
    hook = layer.register_forward_pre_hook(lambda _, given: caught.append(given[0].float().cpu()))
    try:
        network.run(arrays, rows, batch_size)
    finally:
        hook.remove()
    return torch.cat(caught)


def write_domains(folder: Path, domains: Mapping[str, Domain]) -> str:
    """Write domains by the hash of their weights into a folder, whole or not at all; answers the file's sha256."""
    tensors = {
        f"{weights}.{name}": getattr(domain, name).contiguous() for weights, domain in domains.items() for name in PARTS
    }
    content = save(tensors)
    part = folder / f"{DOMAIN_FILE}.part"
    part.write_bytes(content)
    part.replace(folder / DOMAIN_FILE)
    return hashlib.sha256(content).hexdigest()


def read_domain(network: Predictor, *folders: Path) -> Domain:
    """The domain of a network's weights, from the first of these folders or its own run's that keeps it."""
    weights = network.checkpoint.words.weights_sha256
    for folder in (*folders, network.checkpoint.path.parent.parent):
        path = folder / DOMAIN_FILE
        if path.is_file() and (found := _read(path, weights)):
            return found
    raise BadInputError(
        f"features of the samples that {network.checkpoint.path} was taught with are not kept beside it. "
        "Evaluate it on the pack that it was trained on, and name that evaluation's folder."
    )


def _read(path: Path, weights: str) -> Domain | None:
    try:
        tensors = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as features of training: {error}.") from error
    own = {name: tensors.get(f"{weights}.{name}") for name in PARTS}
    features, mean, whitening = own["features"], own["mean"], own["whitening"]
    if features is None or mean is None or whitening is None:
        return None
    width = features.shape[-1]
    fits = features.ndim == 2 and len(features) >= NEIGHBOURS and mean.shape == (width,)
    if not fits or whitening.shape != (width, width) or not all(map(_is_finite, (features, mean, whitening))):
        raise CheckpointError(f"{path}: features of weights {weights[:12]} are damaged. Evaluate the run anew.")
    return Domain(features=features, mean=mean, whitening=whitening)


def _is_finite(values: Tensor) -> bool:
    return values.dtype == torch.float32 and bool(values.isfinite().all())


def open_gauge(method: OutOfDomain, networks: Sequence[Predictor], *folders: Path) -> Gauge:
    """The score for networks; of `neighbours` their domains are read."""
    if method != "neighbours":
        return Gauge(method=method)
    return Gauge(method=method, domains=tuple(read_domain(network, *folders) for network in networks))
