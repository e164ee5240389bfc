"""The head of classes: what a loss costs, what a logit means, what a pack says of its samples."""

import numpy as np
import torch
from torch.nn import functional

from fusion.engine import head as heads
from fusion.engine.head import read_target_info

HEAD = heads.find("classes")


def test_for_labels_the_divergence_is_the_cross_entropy():
    torch.manual_seed(0)
    logits, labels = torch.randn(8, 5), torch.arange(8) % 5
    shares = functional.one_hot(labels, 5).float()
    torch.testing.assert_close(HEAD.loss(logits, shares), functional.cross_entropy(logits, labels))


def test_for_distributions_the_loss_is_zero_only_at_the_distribution():
    shares = torch.tensor([[0.7, 0.3, 0.0], [0.2, 0.2, 0.6]])
    at_shares = HEAD.loss(torch.log(shares.clamp_min(1e-12)), shares)
    assert abs(float(at_shares)) < 1e-6
    wanted = functional.kl_div(torch.randn(2, 3).log_softmax(1), shares, reduction="batchmean")
    assert float(wanted) > 0
    logits = torch.randn(2, 3)
    torch.testing.assert_close(
        HEAD.loss(logits, shares), functional.kl_div(logits.log_softmax(1), shares, reduction="batchmean")
    )


def test_a_temperature_flattens_and_changes_no_answer():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    sharp, flat = HEAD.decode(logits, 1.0), HEAD.decode(logits, 4.0)
    torch.testing.assert_close(sharp.sum(dim=1), torch.ones(1))
    assert flat.max() < sharp.max()
    assert flat.argmax() == sharp.argmax()


def test_targets_are_read_as_labels_or_as_vote_shares(toy_pack):
    target = read_target_info(toy_pack, "lcz17", "classes", "lcz17")
    labels = HEAD.read_target(toy_pack, target, "label")
    shares = HEAD.read_target(toy_pack, target, "distribution")
    assert HEAD.count_outputs(target) == labels.shape[1] == 17
    assert set(np.unique(labels)) == {0.0, 1.0}
    np.testing.assert_allclose(np.sort(shares, axis=1)[:, -2:], [[0.2, 0.8]] * len(shares))
    assert float(HEAD.metrics["oa"](torch.from_numpy(shares), torch.from_numpy(labels))) == 1.0
