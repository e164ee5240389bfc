"""ResNeXt-CBAM: grouped convolutions in 29 layers, attention to channels and pixels, sizes by option."""

import pytest
import torch
from torch import nn

from fusion.engine.network import NetworkShape, build_network
from fusion.engine.networks.resnext_cbam import ChannelAttention, SpatialAttention
from fusion.errors import SpecError

SHAPE = NetworkShape(channels=10, height=32, width=32, outputs=17)


def build(shape=SHAPE, **options):
    torch.manual_seed(0)
    return build_network({"name": "resnext_cbam", **options}, shape)


def test_it_has_29_layers_of_which_nine_are_grouped():
    network = build(cardinality=4, width=2)
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    grouped = [part for part in convolutions if part.groups > 1]
    assert [part.out_channels for part in grouped] == [8] * 3 + [16] * 3 + [32] * 3
    assert {part.groups for part in grouped} == {4}
    ways_round = [part for part in convolutions if part.kernel_size == (1, 1) and part in _list_ways_round(network)]
    attention = [part for part in convolutions if part.kernel_size == (7, 7)]
    assert len(attention) == 9
    assert len(convolutions) - len(ways_round) - len(attention) + 1 == 29  # the last layer is linear


def _list_ways_round(network):
    return [part for block in network.blocks if hasattr(block, "past") for part in block.past.modules()]


def test_each_stage_halves_the_pixels():
    network, seen = build(cardinality=2, width=2), []
    network.blocks.register_forward_hook(lambda _module, _given, output: seen.append(output.shape))
    assert network(torch.randn(2, 10, 32, 32)).shape == (2, 17)
    assert seen == [(2, 32, 8, 8)]


def test_channel_attention_weighs_whole_channels_between_0_and_1():
    torch.manual_seed(0)
    image = torch.rand(3, 8, 5, 5) + 0.5
    weights = ChannelAttention(8)(image) / image
    assert (weights > 0).all()
    assert (weights < 1).all()
    torch.testing.assert_close(weights, weights[:, :, :1, :1].expand_as(weights))
    assert not torch.allclose(weights[:, 0], weights[:, 1])


def test_spatial_attention_weighs_pixels_alike_in_every_channel():
    torch.manual_seed(0)
    image = torch.rand(3, 8, 9, 9) + 0.5
    weights = SpatialAttention()(image) / image
    torch.testing.assert_close(weights, weights[:, :1].expand_as(weights))
    assert weights[:, 0].std() > 0


def test_without_attention_it_is_a_plain_resnext():
    plain = build(cardinality=2, width=2, attention=False)
    assert not [part for part in plain.modules() if isinstance(part, ChannelAttention | SpatialAttention)]
    assert plain(torch.randn(2, 10, 32, 32)).shape == (2, 17)


def test_another_depth_or_too_few_pixels_are_refused():
    with pytest.raises(SpecError, match="must be 2 more than a multiple of 9; it is 30"):
        build(depth=30)
    with pytest.raises(SpecError, match="at least 4 x 4 pixels; the pack has 3 x 32"):
        build(NetworkShape(channels=1, height=3, width=32, outputs=2))
    assert len([part for part in build(depth=11, cardinality=1, width=2).blocks if hasattr(part, "past")]) == 3
