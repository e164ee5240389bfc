"""A vector per sample, near to that of the same sample seen otherwise: by another sensor, or turned and with holes.

InfoNCE (van den Oord, Li and Vinyals 2018; symmetric as in Radford et al. 2021): each vector of one view has to find
its own sample among those of the other view in the batch, by cosine over a temperature. One network reads both views;
with `modalities` the first array is one view and all others are the second, what a view lacks stands at its mean. With
`symmetries` both views have holes of a quarter of their area, and one is turned. The batch is what is searched, so
unlike with other heads the loss depends on its size and on how it is cut into processes and micro-batches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fusion import embedding_scores
from fusion.bootstrap import Interval
from fusion.engine.head import Ask, Decoded, Evidence, Head, Inputs, TargetInfo
from fusion.engine.holes import cut_holes, draw_holes
from fusion.engine.option import Option
from fusion.engine.symmetries import Array, Rows
from fusion.errors import SpecError
from fusion.pack import Pack

HOLE_SHARE, HOLE_PIXELS = 0.25, 4
SEED = 0  # of the holes outside of training, so that a score is always the same


@dataclass(frozen=True, kw_only=True)
class OwnRows:
    """Nothing to read: each sample is its own target. Rows of ones [n, 1]."""

    present: npt.NDArray[np.bool_]

    def read(
        self, rows: Rows, inputs: Mapping[str, Tensor], device: torch.device, symmetries: Rows | None = None
    ) -> Tensor:
        return torch.ones(len(rows), 1, device=device)

    def read_truth(self, rows: Rows) -> dict[str, Array]:
        return {"rows": rows}


def complete(pack: Pack, target: TargetInfo, inputs: Inputs, rows: Rows) -> TargetInfo:
    """The arrays that are seen; two at least where they are the views."""
    names = tuple(spec.name for spec in inputs)
    if target.options.get("views", "modalities") == "modalities" and len(names) < 2:
        raise SpecError(
            f"objective.views: {', '.join(names) or 'nothing'} alone has no other modality to be found by. Name two "
            "modalities, or say symmetries."
        )
    return replace(target, arrays=names)


def count_outputs(target: TargetInfo) -> int:
    """The size of a vector."""
    return int(target.options.get("size", 64))


def open_target(pack: Pack, target: TargetInfo, inputs: Inputs) -> OwnRows:
    """Samples that have all inputs."""
    return OwnRows(present=pack.has_all([spec.name for spec in inputs]))


def ask(network: Ask, inputs: Mapping[str, Tensor], *, target: TargetInfo) -> Tensor:
    """Vectors [n, 2 views, size], as the network gives them, from one forward pass over both views."""
    is_training = bool(getattr(network, "training", False))
    views = _make_views(inputs, target, is_training)
    both = {name: torch.cat([view[name] for view in views]) for name in inputs}
    return network(both).unflatten(0, (2, -1)).transpose(0, 1)


def _make_views(inputs: Mapping[str, Tensor], target: TargetInfo, is_training: bool) -> list[dict[str, Tensor]]:
    if target.options.get("views", "modalities") == "modalities":
        first = target.arrays[0]
        return [_blank(inputs, lambda name: name != first), _blank(inputs, lambda name: name == first)]
    some = next(iter(inputs.values()))
    generator = None if is_training else torch.Generator().manual_seed(SEED)
    views = []
    for _ in range(2):
        holes = draw_holes(len(some), some.shape[-2:], HOLE_SHARE, HOLE_PIXELS, generator).to(some.device)
        views.append(cut_holes(inputs, holes))
    return [views[0], {name: values.flip(-1) for name, values in views[1].items()}]


def _blank(inputs: Mapping[str, Tensor], is_out: Any) -> dict[str, Tensor]:
    """Float arrays of which those left out hold no data: the network's first step puts them at their mean."""
    return {
        name: torch.full_like(values, torch.nan, dtype=torch.float32) if is_out(name) else values.float()
        for name, values in inputs.items()
    }


def _compare(outputs: Tensor) -> Tensor:
    """Cosines [n, n] of the first views with the second."""
    units = functional.normalize(outputs.float(), dim=2)
    return units[:, 0] @ units[:, 1].T


def measure_contrast(outputs: Tensor, rows: Tensor, *, target: TargetInfo) -> Tensor:
    """InfoNCE in nats, the mean of both ways of asking: log n for vectors that say nothing."""
    near = _compare(outputs) / target.options.get("temperature", 0.1)
    own = torch.arange(len(near), device=near.device)
    return (functional.cross_entropy(near, own) + functional.cross_entropy(near.T, own)) / 2


def measure_recall(outputs: Tensor, rows: Tensor) -> Tensor:
    """Share of samples that find themselves first within the batch."""
    near = _compare(outputs)
    own = torch.arange(len(near), device=near.device)
    return ((near.argmax(dim=1) == own).float().mean() + (near.argmax(dim=0) == own).float().mean()) / 2


def decode(outputs: Tensor, temperature: float) -> dict[str, Tensor]:
    """Vectors [n, 2 views, size] of length 1."""
    return {"embedding": functional.normalize(outputs.float(), dim=2)}


def combine(members: Sequence[Decoded]) -> dict[str, Array]:
    """All members' vectors behind one another: the cosine is then the mean of theirs."""
    joined = np.concatenate([member["embedding"] for member in members], axis=2)
    return {"embedding": joined / np.sqrt(np.float32(len(members)))}


def collect(truth: Mapping[str, Array], decoded: Decoded) -> Evidence:
    """The vectors: each is searched among all."""
    return {"embedding": decoded["embedding"]}


def score(evidence: Sequence[Evidence], blocks: Sequence[Any], seed: int, resamples: int) -> dict[str, Any]:
    """Every score of fusion.embedding_scores."""
    return embedding_scores.evaluate(_join(evidence), blocks=blocks, seed=seed, resamples=resamples)


def compare(
    one: Sequence[Evidence],
    other: Sequence[Evidence],
    metric: str,
    blocks: Sequence[Any],
    seed: int,
    resamples: int,
) -> Interval:
    """Metric of one minus metric of the other, paired (fusion.embedding_scores)."""
    return embedding_scores.paired_difference(_join(one), _join(other), blocks, metric, seed=seed, resamples=resamples)


def _join(evidence: Sequence[Evidence]) -> Array:
    return np.concatenate([part["embedding"] for part in evidence])


def bind(target: TargetInfo) -> Head:
    """The head over the target's views."""
    return Head(
        name="embedding",
        title="Embedding",
        output="vector",
        options={
            "views": Option(default="modalities", choices=("modalities", "symmetries")),
            "size": Option(default=64, low=2, high=4096),
            "temperature": Option(default=0.1, low=0.01, high=10.0),
        },
        of_pack=False,
        stored="embedding",
        bind=bind,
        complete=complete,
        count_outputs=count_outputs,
        open_target=open_target,
        ask=partial(ask, target=target),
        loss=partial(measure_contrast, target=target),
        metrics={"recall_at_1": measure_recall},
        decode=decode,
        combine=combine,
        collect=collect,
        score=score,
        compare=compare,
    )


HEAD = bind(TargetInfo(name="", head="embedding"))
