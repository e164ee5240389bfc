"""One class per sample, learned from a label or from a whole distribution over the scheme."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fusion import scores
from fusion.bootstrap import Interval
from fusion.engine.head import Decoded, Evidence, FloatArray, Head, Inputs, TargetInfo
from fusion.engine.option import Option
from fusion.engine.symmetries import Array
from fusion.engine.targets import DenseRows
from fusion.pack import Pack


def count_outputs(target: TargetInfo) -> int:
    """One logit per class."""
    return len(target.codes)


def open_target(pack: Pack, target: TargetInfo, inputs: Inputs) -> DenseRows:
    """Shares [n, k] per sample that sum to 1: one-hot for `label`; rows of samples without any are NaN.

    A share of `label_smoothing` is spread over all classes.
    """
    labels, distribution = pack.labels(target.name), pack.distribution(target.name)
    is_label = target.options.get("target", "label") == "label"
    shares = _read_labels(labels, len(target.codes)) if is_label else _read_shares(distribution)
    share = target.options.get("label_smoothing", 0.0)
    values = shares if not share else shares * (1 - share) + share / shares.shape[1]
    return DenseRows(values=values, truth={"label": labels, "distribution": distribution})


def open_labels(pack: Pack, target: TargetInfo, inputs: Inputs) -> DenseRows:
    """What is measured against, whatever is learned from: the labels, one-hot."""
    return open_target(pack, TargetInfo(name=target.name, head="classes", codes=target.codes), inputs)


def _read_labels(labels: Array, k: int) -> FloatArray:
    shares = np.eye(k, dtype=np.float32)[labels]
    shares[labels < 0] = np.nan
    return shares


def _read_shares(distribution: FloatArray) -> FloatArray:
    shares = np.array(distribution, dtype=np.float32)
    total = shares.sum(axis=1, keepdims=True)
    return np.divide(shares, total, out=np.full_like(shares, np.nan), where=total > 0)


def measure_divergence(logits: Tensor, shares: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of softmax from shares in nats; for one-hot shares that is the cross-entropy."""
    return (torch.xlogy(shares, shares) - shares * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def measure_accuracy(logits: Tensor, shares: Tensor) -> Tensor:
    """Share of samples whose likeliest class is the target's."""
    return (logits.argmax(dim=1) == shares.argmax(dim=1)).float().mean()


def decode(logits: Tensor, temperature: float) -> dict[str, Tensor]:
    """Probabilities [n, k] that sum to 1."""
    return {"probability": (logits.float() / temperature).softmax(dim=1)}


def combine(members: Sequence[Decoded]) -> dict[str, Array]:
    """The mean of the members' probabilities."""
    return {"probability": np.mean([member["probability"] for member in members], axis=0)}


def collect(truth: Mapping[str, Array], decoded: Decoded) -> Evidence:
    """Labels, vote shares and probabilities."""
    return {**truth, "probability": decoded["probability"]}


def score(
    evidence: Sequence[Evidence], blocks: Sequence[Any], seed: int, resamples: int, *, scheme: str
) -> dict[str, Any]:
    """Every score of fusion.scores."""
    return scores.evaluate(
        _join(evidence, "label"),
        _join(evidence, "probability"),
        scheme=scheme,
        blocks=blocks,
        seed=seed,
        resamples=resamples,
        distribution=_join(evidence, "distribution"),
    )


def compare(
    one: Sequence[Evidence],
    other: Sequence[Evidence],
    metric: str,
    blocks: Sequence[Any],
    seed: int,
    resamples: int,
    *,
    scheme: str,
) -> Interval:
    """Metric of one minus metric of the other, paired (fusion.scores)."""
    shares = _join(one, "probability"), _join(other, "probability")
    words: dict[str, Any] = {"metric": metric, "scheme": scheme, "seed": seed, "resamples": resamples}
    return scores.paired_difference(_join(one, "label"), *shares, blocks, **words)


def _join(evidence: Sequence[Evidence], name: str) -> Array:
    return np.concatenate([part[name] for part in evidence])


def bind(target: TargetInfo) -> Head:
    """The head with scores over the target's scheme."""
    return Head(
        name="classes",
        title="Classes",
        output="vector",
        options={
            "target": Option(default="label", choices=("label", "distribution")),
            "label_smoothing": Option(default=0.0, low=0.0, high=0.5),
        },
        is_partial=False,
        mixes=True,
        stored="probability",
        bind=bind,
        count_outputs=count_outputs,
        open_target=open_target,
        open_truth=open_labels,
        loss=measure_divergence,
        metrics={"oa": measure_accuracy},
        decode=decode,
        combine=combine,
        collect=collect,
        score=partial(score, scheme=target.scheme),
        compare=partial(compare, scheme=target.scheme),
    )


HEAD = bind(TargetInfo(name="", head="classes"))
