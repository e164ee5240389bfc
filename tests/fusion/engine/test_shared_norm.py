"""Batch statistics over all processes: with one they are those of torch's own layer."""

import pytest
import torch
from torch import nn

from fusion.engine.shared_norm import SharedBatchNorm, share_statistics


@pytest.fixture
def alone(tmp_path):
    """A group of one process."""
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("is_affine", [True, False])
def test_values_gradients_and_statistics_are_those_of_torch(alone, is_affine):
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(3, affine=is_affine)
    shared = nn.Sequential(nn.BatchNorm2d(3, affine=is_affine))
    shared.load_state_dict({f"0.{key}": value for key, value in plain.state_dict().items()})
    share_statistics(shared, torch.device("cpu"))
    assert isinstance(shared[0], SharedBatchNorm)
    given = (torch.randn(5, 3, 4, 4) * 2 + 1000).requires_grad_()
    other = given.detach().clone().requires_grad_()
    weights = torch.randn(5, 3, 4, 4)
    outputs = plain(given), shared(other)
    for output in outputs:
        (output * weights).sum().backward()
    assert torch.allclose(*outputs, atol=2e-4)  # of values near 1000 with a deviation of 2
    assert torch.allclose(given.grad, other.grad, atol=2e-4)
    for name, value in plain.state_dict().items():
        assert torch.allclose(value.double(), shared[0].state_dict()[name].double(), rtol=1e-4), name
    plain.eval()
    shared.eval()
    assert torch.allclose(plain(given), shared(given), atol=2e-3)


def test_optimisers_and_checkpoints_see_the_same_names_and_parameters():
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))
    before, weight = list(network.state_dict()), network[1][0].weight
    share_statistics(network, torch.device("cpu"))
    assert list(network.state_dict()) == before
    assert network[1][0].weight is weight
