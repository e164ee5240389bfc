"""The head of classes: what a loss costs, what a logit means, what a pack says of its samples."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from fusion import scores
from fusion.engine import head as heads
from fusion.engine.head import read_target_info

HEAD = heads.find("classes")
KINDS = ("label", "distribution")


def read_rows(pack, target):
    return HEAD.open_target(pack, target, ()).read(np.arange(len(pack)), {}, torch.device("cpu")).numpy()


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
    sharp, flat = (HEAD.decode(logits, temperature)[HEAD.stored] for temperature in (1.0, 4.0))
    torch.testing.assert_close(sharp.sum(dim=1), torch.ones(1))
    assert flat.max() < sharp.max()
    assert flat.argmax() == sharp.argmax()


def test_targets_are_read_as_labels_or_as_vote_shares(toy_pack):
    target = read_target_info(toy_pack, "lcz17", "classes", "lcz17")
    labels, shares = (read_rows(toy_pack, replace(target, options={"target": kind})) for kind in KINDS)
    assert HEAD.count_outputs(target) == labels.shape[1] == 17
    assert set(np.unique(labels)) == {0.0, 1.0}
    np.testing.assert_allclose(np.sort(shares, axis=1)[:, -2:], [[0.2, 0.8]] * len(shares))
    assert float(HEAD.metrics["oa"](torch.from_numpy(shares), torch.from_numpy(labels))) == 1.0


def test_smoothing_spreads_a_share_over_all_classes(toy_pack):
    target = read_target_info(toy_pack, "lcz17", "classes", "lcz17")
    plain, smooth = (read_rows(toy_pack, replace(target, options={"label_smoothing": share})) for share in (0.0, 0.2))
    np.testing.assert_allclose(smooth, plain * 0.8 + 0.2 / 17, rtol=1e-6)
    measured = HEAD.open_truth(toy_pack, replace(target, options={"label_smoothing": 0.2}), ())
    assert np.array_equal(measured.read(np.arange(len(toy_pack)), {}, torch.device("cpu")).numpy(), plain)


def test_scores_are_those_of_the_scheme_however_the_batches_were_cut(toy_pack):
    target = read_target_info(toy_pack, "lcz17", "classes", "lcz17")
    head, rows = heads.open_head(target), np.arange(40)
    shares = np.random.default_rng(0).dirichlet(np.ones(17), 40).astype(np.float32)
    reader, blocks = head.open_target(toy_pack, target, ()), list(rows // 4)
    whole, cut = (
        [head.collect(reader.read_truth(part), {"probability": shares[part]}) for part in parts]
        for parts in ([rows], np.split(rows, [13, 30]))
    )
    found = head.score(whole, blocks, 0, 20)
    assert found == head.score(cut, blocks, 0, 20)
    assert found == scores.evaluate(
        toy_pack.labels()[rows],
        shares,
        scheme="lcz17",
        blocks=blocks,
        resamples=20,
        distribution=toy_pack.distribution()[rows],
    )
    assert head.compare(whole, cut, "oa", blocks, 0, 20) == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_an_ensemble_answers_with_the_mean_of_its_members():
    members = [{"probability": np.array([[0.9, 0.1]])}, {"probability": np.array([[0.5, 0.5]])}]
    np.testing.assert_allclose(HEAD.combine(members)["probability"], [[0.7, 0.3]])
