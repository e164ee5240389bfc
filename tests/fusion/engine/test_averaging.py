"""Averaged weights follow those that are trained, slowly."""

import pytest
import torch

from fusion.engine.averaging import Average


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3))
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("constant", torch.tensor([0.1, 1 / 3]))
        self.register_buffer("seen", torch.tensor(0))


def test_parameters_and_statistics_fade_and_whole_numbers_are_copied():
    network = Tiny()
    average = Average(network, decay=0.5)
    network.weight.data += 8.0
    network.mean += 4.0
    network.seen += 3
    average.update(network, steps=100)
    assert torch.equal(average.network.weight, torch.full((3,), 4.0))
    assert torch.equal(average.network.mean, torch.full((2,), 2.0))
    assert torch.equal(average.network.constant, network.constant)
    assert average.network.seen == 3
    assert not average.network.weight.requires_grad
    average.update(network, steps=101)
    assert torch.equal(average.network.weight, torch.full((3,), 6.0))


def test_early_steps_fade_sooner_than_the_decay_says():
    network = Tiny()
    average = Average(network, decay=0.999)
    network.weight.data += 1.0
    average.update(network, steps=1)
    assert average.network.weight[0] == pytest.approx(1 - 2 / 11)
