"""What lies far from the features of training is strange, by the brute-force distance; files of them are checked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.neighbors import NearestNeighbors

from fusion.engine.predictor import find_checkpoint, open_predictor
from fusion.engine.strangeness import (
    DOMAIN_FILE,
    NEIGHBOURS,
    Domain,
    Gauge,
    catch_features,
    find_last_layer,
    keep_domain,
    open_gauge,
    read_domain,
    whiten,
    write_domains,
)
from fusion.errors import BadInputError, CheckpointError

RNG = np.random.default_rng(0)


def make_features(n, d=6):
    return torch.from_numpy(RNG.normal(3, [0.01, 0.1, 1, 1, 5, 20], (n, d)).astype(np.float32))


def make_domain(features):
    mean, whitening = whiten(features)
    return Domain(features=(features - mean) @ whitening, mean=mean, whitening=whitening)


@pytest.fixture
def predictor(run_folder):
    return open_predictor(find_checkpoint(run_folder)[0], device="cpu")


def test_whitened_features_vary_alike_but_in_directions_that_hardly_vary():
    features = torch.from_numpy(RNG.normal(0, [1, 5, 20, 0], (4000, 4)).astype(np.float32))
    spread = make_domain(features).features.std(dim=0)
    np.testing.assert_allclose(sorted(spread.tolist()), [0, 1, 1, 1], atol=1.0)
    assert spread.max() < 1.01
    assert make_domain(features).features.isfinite().all()
    same = make_domain(torch.ones(20, 3))
    assert same.measure(torch.ones(2, 3)).tolist() == [0, 0]


def test_the_distance_is_that_of_scikit_learn_and_grows_outwards():
    domain, asked = make_domain(make_features(300)), make_features(40)
    placed = ((asked - domain.mean) @ domain.whitening).numpy()
    wanted = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(domain.features.numpy()).kneighbors(placed)[0][:, -1]
    np.testing.assert_allclose(domain.measure(asked).numpy(), wanted, rtol=1e-3)
    away = domain.mean + torch.tensor([[0.0], [1.0], [2.0], [4.0]]) * 20
    assert (domain.measure(away).diff() > 0).all()


def test_members_and_their_draws_are_averaged_each_by_its_own_domain():
    domains = make_domain(make_features(50)), make_domain(make_features(60))
    features = [make_features(7) for _ in range(4)]  # two draws of each of two members
    found = Gauge(method="neighbours", domains=domains).measure([], features)
    own = [domains[number // 2].measure(values).numpy() for number, values in enumerate(features)]
    np.testing.assert_allclose(found, np.mean(own, axis=0), rtol=1e-5)
    assert Gauge().measure([torch.zeros(2, 3)], []) is None


def test_features_are_what_the_last_layer_is_given(predictor, toy_pack):
    arrays = {part.name: toy_pack.array(part.name) for part in predictor.inputs}
    domain, rows = keep_domain(predictor, toy_pack, 32, seed=0), toy_pack.indices("test")[:5]
    with catch_features([predictor], Gauge(method="neighbours", domains=(domain,))) as caught:
        logits = predictor.ask(arrays, rows)
    layer = find_last_layer(predictor.network)
    np.testing.assert_allclose(layer(caught[0].clone()).detach().numpy(), logits.numpy(), atol=1e-5)
    with catch_features([predictor], Gauge(method="energy")) as caught:
        predictor.ask(arrays, rows)
    assert caught == []


def test_a_domain_comes_back_from_its_file_by_the_hash_of_its_weights(tmp_path, predictor):
    weights, domain = predictor.checkpoint.words.weights_sha256, make_domain(make_features(30))
    write_domains(tmp_path, {weights: domain, "other": make_domain(make_features(12))})
    again = read_domain(predictor, tmp_path)
    assert torch.equal(again.features, domain.features)
    assert torch.equal(again.whitening, domain.whitening)
    assert open_gauge("neighbours", [predictor], tmp_path).domains[0].features.shape == (30, 6)
    assert open_gauge("energy", [predictor], tmp_path).domains == ()


def test_features_that_are_missing_or_damaged_are_said_to_be(tmp_path, predictor):
    weights = predictor.checkpoint.words.weights_sha256
    alone = replace(predictor, checkpoint=replace(predictor.checkpoint, path=tmp_path / "away" / "c" / "step-1.json"))
    with pytest.raises(BadInputError, match=r"not kept beside it\. Evaluate it on the pack that it was trained on"):
        read_domain(alone, tmp_path)
    write_domains(tmp_path, {weights: make_domain(make_features(30))})
    good = load_file(tmp_path / DOMAIN_FILE)
    for name, wrong in (
        ("features", torch.full((30, 6), torch.nan)),
        ("features", torch.zeros(3, 6)),
        ("mean", torch.zeros(5)),
        ("whitening", torch.zeros(6, 5)),
        ("whitening", torch.zeros(6, 6, dtype=torch.int64)),
    ):
        save_file(good | {f"{weights}.{name}": wrong}, tmp_path / DOMAIN_FILE)
        with pytest.raises(CheckpointError, match=r"are damaged\. Evaluate the run anew"):
            read_domain(predictor, tmp_path)
    (tmp_path / DOMAIN_FILE).write_bytes(b"\x80\x04pickle")
    with pytest.raises(CheckpointError, match="cannot be read as features of training"):
        read_domain(predictor, tmp_path)


def test_a_network_without_a_linear_layer_is_told_to_use_another_score():
    with pytest.raises(BadInputError, match=r"no linear layer .*\. Use energy"):
        find_last_layer(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1)))
