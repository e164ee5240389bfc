"""Ensembles and draws of dropout average what they should, and take their doubt apart."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from fusion.engine.calibrate import fit_temperature
from fusion.engine.predictor import find_checkpoints, turn_dropout_on
from fusion.engine.session import open_session
from fusion.engine.train import train
from fusion.engine.uncertainty import find_entropies, find_variances, open_ensemble
from fusion.errors import CheckpointError, SpecError
from fusion.run import RunSpec
from tests.fusion.conftest import write_toy_pack


@pytest.fixture(scope="module")
def folders(tmp_path_factory, toy_pack):
    """Two seeds of one spec, and one without dropout."""
    words = {"task": "lcz", "pack": str(toy_pack.folder), "epochs": 1, "batch_size": 32, "resamples": 2}
    found = {}
    for name, seed, dropout in (("one", 0, 0.3), ("two", 1, 0.3), ("dry", 0, 0.0)):
        folder = tmp_path_factory.mktemp(name)
        network = {"name": "sen2lcz", "width": 2, "depth": 5, "dropout": dropout}
        with open_session(folder) as session:
            train(RunSpec.from_json({**words, "seed": seed, "network": network, "baselines": []}), session)
        found[name] = folder
    return found


def ask(ensemble, pack, rows=24):
    arrays = {part.name: pack.array(part.name) for part in ensemble.inputs}
    return [output.numpy() for output in ensemble.ask(arrays, np.arange(rows))]


def test_an_ensemble_answers_with_the_mean_probability_of_its_members(folders, toy_pack):
    together = open_ensemble(find_checkpoints(folders["one"]), [str(folders["two"])])
    outputs = ask(together, toy_pack)
    assert len(outputs) == together.count == 2
    alone = [ask(open_ensemble(find_checkpoints(folders[name])), toy_pack)[0] for name in ("one", "two")]
    np.testing.assert_allclose(outputs, alone, atol=1e-6)
    decoded, doubts = together.decode(outputs)
    np.testing.assert_allclose(decoded["probability"], softmax(alone, axis=2).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(doubts["entropy"], doubts["expected_entropy"] + doubts["mutual_information"], atol=1e-9)
    assert (doubts["mutual_information"] > 0).all()
    hotter, _ = together.set_temperature(2.0).decode(outputs)
    np.testing.assert_allclose(hotter["probability"], softmax(np.array(alone) / 2, axis=2).mean(axis=0), atol=1e-6)


def test_draws_of_dropout_differ_from_each_other_and_come_again_under_their_seed(folders, toy_pack):
    found = find_checkpoints(folders["one"])
    drawn = open_ensemble(found, draws=3, seed=5)
    before = torch.get_rng_state()
    first = ask(drawn, toy_pack)
    assert len(first) == drawn.count == 3
    assert not np.allclose(first[0], first[1])
    np.testing.assert_array_equal(first, ask(drawn, toy_pack))
    assert torch.equal(before, torch.get_rng_state()), "drawing dropout must not move the run's own random numbers"
    assert not np.array_equal(first, ask(open_ensemble(found, draws=3, seed=6), toy_pack))
    plain = ask(open_ensemble(found), toy_pack)
    np.testing.assert_allclose(np.mean(ask(open_ensemble(found, draws=60), toy_pack), axis=0), plain[0], atol=0.35)


def test_only_dropout_is_on_while_it_is_drawn():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Dropout2d(0.5)).eval()
    with turn_dropout_on(network, 0):
        assert [layer.training for layer in network] == [False, True, True]
        kept = network[0].running_mean.clone()
        network(torch.randn(4, 2, 3, 3))
        assert torch.equal(kept, network[0].running_mean)
    assert not any(layer.training for layer in network)


def test_a_network_without_dropout_has_nothing_to_draw(folders):
    with pytest.raises(SpecError, match=r"dropout_draws: .* has no dropout\. Train with network\.dropout above 0"):
        open_ensemble(find_checkpoints(folders["dry"]), draws=2)


def test_members_must_read_the_same_and_answer_the_same(tmp_path, folders, toy_pack):
    words = {"task": "lcz", "pack": str(toy_pack.folder), "modalities": ["sentinel2"], "epochs": 1, "batch_size": 96}
    with open_session(tmp_path) as session:
        spec = {**words, "network": {"name": "sen2lcz", "width": 2, "depth": 5}, "baselines": [], "resamples": 2}
        train(RunSpec.from_json(spec), session)
    with pytest.raises(CheckpointError, match="modalities: it reads"):
        open_ensemble(find_checkpoints(folders["one"]), [str(tmp_path)])


def test_entropies_of_a_hand_case():
    sure, torn = [[1.0, 0.0]], [[0.5, 0.5]]
    agreed = find_entropies(np.array([torn, torn]))
    assert agreed["entropy"] == pytest.approx(np.log(2))
    assert agreed["mutual_information"] == pytest.approx(0)
    split = find_entropies(np.array([sure, [[0.0, 1.0]]]))
    assert split["expected_entropy"] == pytest.approx(0)
    assert split["mutual_information"] == pytest.approx(np.log(2))
    for shape in ((2, 3, 4, 5, 6), (2, 3, 7, 4, 5, 6)):  # four classes of masks, of one date and of seven
        np.testing.assert_allclose(find_entropies(np.full(shape, 0.25))["entropy"], np.full(3, np.log(4)))


def test_variances_add_noise_and_disagreement():
    members = [{"mean": np.full((2, 1), mean), "variance": np.full((2, 1), 4.0)} for mean in (1.0, 3.0)]
    found = find_variances(members)
    np.testing.assert_allclose(found["aleatoric_variance"], 4)
    np.testing.assert_allclose(found["epistemic_variance"], 1)
    np.testing.assert_allclose(found["variance"], 5)


def test_one_temperature_is_fitted_for_all_members():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5))
    truth = np.array([rng.choice(5, p=row) for row in softmax(logits, axis=1)])
    same = np.stack([3 * logits, 3 * logits]).astype(np.float32)
    assert fit_temperature(same, truth) == pytest.approx(3, rel=0.1)
    assert fit_temperature(same[0], truth) == pytest.approx(fit_temperature(same, truth), rel=1e-3)
    noisy = np.stack([logits + rng.normal(0, 2, logits.shape) for _ in range(8)]).astype(np.float32)
    assert fit_temperature(noisy, truth) < 1.0, "a mean of noisy members is less sure than each: it must be sharpened"


def test_another_pack_of_the_same_kind_does_not_matter(folders, tmp_path):
    other = write_toy_pack(tmp_path / "other", seed=4)
    assert len(ask(open_ensemble(find_checkpoints(folders["one"])), other)) == 1
