"""One class per sample, learned from a label or from a whole distribution over the scheme."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fusion.engine.head import FloatArray, Head, TargetInfo, TargetKind
from fusion.pack import Pack


def count_outputs(target: TargetInfo) -> int:
    """One logit per class."""
    return len(target.codes)


def read_target(pack: Pack, target: TargetInfo, kind: TargetKind) -> FloatArray:
    """Shares [n, k] per sample that sum to 1: one-hot for `label`; rows of samples without any are NaN."""
    if kind == "label":
        labels = pack.labels(target.name)
        shares = np.eye(len(target.codes), dtype=np.float32)[labels]
        shares[labels < 0] = np.nan
        return shares
    shares = np.array(pack.distribution(target.name), dtype=np.float32)
    total = shares.sum(axis=1, keepdims=True)
    return np.divide(shares, total, out=np.full_like(shares, np.nan), where=total > 0)


def measure_divergence(logits: Tensor, shares: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of softmax from shares in nats; for one-hot shares that is the cross-entropy."""
    return (torch.xlogy(shares, shares) - shares * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def measure_accuracy(logits: Tensor, shares: Tensor) -> Tensor:
    """Share of samples whose likeliest class is the target's."""
    return (logits.argmax(dim=1) == shares.argmax(dim=1)).float().mean()


def decode(logits: Tensor, temperature: float) -> Tensor:
    """Probabilities [n, k] that sum to 1."""
    return (logits.float() / temperature).softmax(dim=1)


HEAD = Head(
    name="classes",
    title="Classes",
    output="vector",
    count_outputs=count_outputs,
    read_target=read_target,
    loss=measure_divergence,
    metrics={"oa": measure_accuracy},
    decode=decode,
)
