"""Every registered network keeps the contract; Sen2LCZ is the one of the paper."""

from dataclasses import replace

import pytest
import torch

from fusion import registry
from fusion.engine import network as networks
from fusion.engine.network import FusionNetwork, Network, NetworkShape, build_network, find_shape, find_times
from fusion.engine.normalise import describe_inputs
from fusion.errors import SpecError, UnknownKindError

SHAPE = NetworkShape(channels=6, height=16, width=16, outputs=3)
SERIES = NetworkShape(channels=6, height=16, width=16, outputs=3, times=2)
NAMES = sorted(registry.load_kinds("fusion.engine.networks", "NETWORK", Network))


@pytest.mark.parametrize("name", NAMES)
def test_a_network_gives_what_it_says_and_a_gradient_reaches_every_parameter(name):
    torch.manual_seed(0)
    is_series = networks.find(name).input == "series"
    module = build_network({"name": name}, SERIES if is_series else SHAPE)
    outputs = module(torch.randn((4, 2, 6, 16, 16) if is_series else (4, 6, 16, 16)))
    assert outputs.shape == ((4, 3) if networks.find(name).output == "vector" else (4, 3, 16, 16))
    outputs.square().sum().backward()
    dead = [key for key, value in module.named_parameters() if value.grad is None or not value.grad.any()]
    assert not dead


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_the_same_under_the_same_seed(name):
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build_network({"name": name}, SERIES).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_sen2lcz_has_four_stages_of_doubling_width():
    module = build_network({"name": "sen2lcz", "width": 16, "depth": 17}, SHAPE)
    layers = [part for part in module.modules() if isinstance(part, torch.nn.Conv2d)]
    assert [part.out_channels for part in layers] == [16] * 4 + [32] * 4 + [64] * 4 + [128] * 4
    assert [part.in_channels for part in layers[::4]] == [6, 32, 64, 128]  # maximum and mean are concatenated
    assert {part.kernel_size for part in layers} == {(3, 3)}


def test_several_levels_average_probabilities():
    torch.manual_seed(0)
    module = build_network({"name": "sen2lcz", "width": 2, "depth": 5, "multi_level": True}, SHAPE).eval()
    assert len(module.heads) == 4
    seen = []
    for head in module.heads:
        head.register_forward_hook(lambda _module, _input, output: seen.append(output.softmax(dim=1)))
    outputs = module(torch.randn(2, 6, 16, 16))
    torch.testing.assert_close(outputs.softmax(dim=1), torch.stack(seen).mean(dim=0))
    torch.testing.assert_close(outputs.exp().sum(dim=1), torch.ones(2))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "sen2lcz", "widht": 8}, "network.widht is not an option of 'sen2lcz'. Known: depth, dropout"),
        ({"name": "sen2lcz", "depth": 16}, "network.depth of sen2lcz must be 1 more than a multiple of 4"),
        ({"name": "sen2lcz", "width": "8"}, "network.width must be int, 1 to 512; it is '8'"),
        ({"name": "sen2lcz", "width": True}, "network.width must be int"),
        ({"name": "sen2lcz", "dropout": 0.95}, "network.dropout must be float, 0 to 0.9"),
    ],
)
def test_a_bad_option_is_named(given, message):
    with pytest.raises(SpecError, match=message):
        build_network(given, SHAPE)


def test_an_unknown_network_is_answered_with_the_known_ones():
    with pytest.raises(UnknownKindError, match=r"Unknown network 'sen3lcz'. Known: .*sen2lcz"):
        build_network({"name": "sen3lcz"}, SHAPE)


def test_too_few_pixels_are_refused():
    with pytest.raises(SpecError, match="at least 8 x 8 pixels; the pack has 4 x 16"):
        build_network({"name": "sen2lcz"}, NetworkShape(channels=1, height=4, width=16, outputs=2))


def test_stored_arrays_go_in_and_the_layout_in_memory_changes_nothing(toy_pack):
    inputs = describe_inputs(toy_pack, [])
    torch.manual_seed(0)
    network = FusionNetwork({"name": "sen2lcz", "width": 4, "depth": 5}, inputs, 17).eval()
    stored = {spec.name: torch.from_numpy(toy_pack.array(spec.name).gather([0, 5, 9])) for spec in inputs}
    assert stored["sentinel2"].dtype == torch.uint16
    with torch.inference_mode():
        plain = network(stored)
        last = network.place(torch.device("cpu"), channels_last=True)(stored)
    assert plain.shape == (3, 17)
    torch.testing.assert_close(plain, last, rtol=1e-4, atol=1e-5)


def test_arrays_on_different_grids_are_refused(toy_pack):
    one, two = describe_inputs(toy_pack, [])
    with pytest.raises(SpecError, match="sentinel1 has 16 x 16 pixels, sentinel2 has 8 x 8"):
        find_shape([one, replace(two, shape=(10, 8, 8))], 3)
    with pytest.raises(SpecError, match="modalities is empty"):
        find_shape([], 3)


def test_an_array_without_dates_stands_at_every_date_of_a_series(toy_pack):
    radar, optical = describe_inputs(toy_pack, [])
    dated = replace(optical, dims=("time", *optical.dims), shape=(3, *optical.shape))
    network, seen = FusionNetwork({"name": "recnn"}, [radar, dated], 17).eval(), []
    network.architecture.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    stored = {name: torch.from_numpy(toy_pack.array(name).gather([0, 5])) for name in ("sentinel1", "sentinel2")}
    series = torch.stack([stored["sentinel2"].roll(step, dims=0) for step in range(3)], dim=1)
    network({**stored, "sentinel2": series})
    assert seen[0].shape == (2, 3, 18, 16, 16)
    assert torch.equal(seen[0][:, 0, :8], seen[0][:, 2, :8])
    torch.testing.assert_close(seen[0][0, 1, 8:], seen[0][1, 0, 8:])


def test_series_of_different_dates_or_with_bands_before_dates_are_refused(toy_pack):
    one, two = (
        replace(part, dims=("time", *part.dims), shape=(times, *part.shape))
        for part, times in zip(describe_inputs(toy_pack, []), (2, 3), strict=True)
    )
    with pytest.raises(SpecError, match="dates differ: sentinel1 has 2, sentinel2 has 3"):
        find_times([one, two])
    assert find_times([one]) == 2
    turned = replace(one, dims=("band", "time", "y", "x"), shape=(8, 2, 16, 16))
    with pytest.raises(SpecError, match="dims of sentinel1 are band, time, y, x; a series begins with time"):
        find_times([turned])
