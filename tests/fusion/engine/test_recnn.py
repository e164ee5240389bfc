"""ReCNN: a branch per date, the order of dates matters, any number of bands, dates and pixels; it learns change."""

import pytest
import torch

from fusion.engine.network import FusionNetwork, NetworkShape, build_network
from fusion.engine.normalise import describe_inputs
from fusion.engine.session import open_session
from fusion.engine.train import train
from fusion.errors import SpecError
from fusion.run import RunSpec
from tests.fusion.series_packs import write_pair


def build(times=2, channels=6, side=3, outputs=2, **options):
    torch.manual_seed(0)
    shape = NetworkShape(channels=channels, height=side, width=side, outputs=outputs, times=times)
    return build_network({"name": "recnn", **options}, shape)


@pytest.mark.parametrize("recurrent", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(("times", "channels", "side"), [(2, 6, 3), (3, 1, 5), (33, 4, 3), (2, 10, 32)])
def test_any_number_of_dates_bands_and_pixels_gives_logits_and_a_gradient_everywhere(recurrent, times, channels, side):
    network = build(times, channels, side, outputs=4, recurrent=recurrent)
    logits = network(torch.randn(16, times, channels, side, side))
    assert logits.shape == (16, 4)
    logits.square().sum().backward()
    dead = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not dead


def test_the_widths_are_those_of_the_authors_notebook():
    network = build()
    convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert [(part.in_channels, part.out_channels, part.padding) for part in convolutions] == [(6, 32, (0, 0))] * 2
    assert (network.recurrent.input_size, network.recurrent.hidden_size) == (32, 128)
    assert isinstance(network.recurrent, torch.nn.LSTM)
    assert (network.dense[0].in_features, network.dense[0].out_features) == (128, 32)


def test_each_date_has_weights_of_its_own():
    network = build()
    one, two = network.branches
    assert not {id(value) for value in one.parameters()} & {id(value) for value in two.parameters()}
    patch = torch.randn(4, 6, 3, 3)
    assert not torch.allclose(one(patch), two(patch))
    before = network(torch.stack([patch, patch], dim=1))
    with torch.no_grad():
        two[0].weight.zero_()
        two[0].bias.zero_()
    assert not torch.allclose(before, network(torch.stack([patch, patch], dim=1)))


def test_the_order_of_dates_matters_even_where_branches_are_alike():
    network = build(times=3)
    for branch in network.branches[1:]:
        branch.load_state_dict(network.branches[0].state_dict())
    series = torch.randn(8, 3, 6, 3, 3)
    assert not torch.allclose(network(series), network(series.flip(1)), atol=1e-4)


def test_a_patch_that_the_convolutions_use_up_is_refused():
    with pytest.raises(
        SpecError, match=r"layers 2 needs at least 5 x 5 pixels; the pack has 3 x 3. Lower network.layers"
    ):
        build(layers=2)
    assert build(side=5, layers=2)(torch.randn(2, 2, 6, 5, 5)).shape == (2, 2)


def test_stored_dates_reach_the_network_in_their_order(tmp_path):
    pack = write_pair(tmp_path / "pack", times=3)
    inputs = describe_inputs(pack, [])
    torch.manual_seed(0)
    network = FusionNetwork({"name": "recnn"}, inputs, 2).eval()
    assert len(network.architecture.branches) == 3
    seen = []
    network.architecture.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    stored = torch.from_numpy(pack.array("landsat_etm").gather([0, 7]))
    network({"landsat_etm": stored})
    spec = inputs[0]
    mean, std = (torch.tensor(part)[:, None, None] for part in (spec.mean, spec.std))
    torch.testing.assert_close(seen[0][:, 2], (stored[:, 2].float() - mean) / std)
    assert seen[0].shape == (2, 3, 6, 3, 3)


@pytest.mark.parametrize(("scheme", "least"), [("change", 0.95), ("change_kinds", 0.9)])
def test_a_pair_of_dates_is_learned_in_a_second(tmp_path, scheme, least):
    pack = write_pair(tmp_path / "pack", scheme=scheme)
    words = {"epochs": 8, "batch_size": 16, "learning_rate": 0.003, "resamples": 20, "baselines": [], "device": "cpu"}
    spec = RunSpec.from_json({"task": scheme, "pack": str(pack.folder), **words})
    with open_session(tmp_path / "run") as session:
        report = train(spec, session)
    assert report.test["kappa"]["value"] > least
    assert report.is_simulated


def test_an_image_network_reads_the_same_pack_with_all_dates_among_its_channels(tmp_path):
    pack = write_pair(tmp_path / "pack", side=8)
    network = FusionNetwork({"name": "sen2lcz", "width": 2, "depth": 5}, describe_inputs(pack, []), 2).eval()
    assert network.architecture.stages[0][0].in_channels == 12
    stored = torch.from_numpy(pack.array("landsat_etm").gather([0, 1]))
    assert network({"landsat_etm": stored}).shape == (2, 2)
