"""U-Net: a map of the image's size whatever that is, bridges that carry detail."""

import pytest
import torch

from fusion.engine.network import NetworkShape, build_network
from fusion.errors import SpecError


def build(height: int, width: int, **options: object) -> torch.nn.Module:
    shape = NetworkShape(channels=3, height=height, width=width, outputs=2)
    return build_network({"name": "unet", "width": 4, **options}, shape)


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (9, 40)])
def test_any_size_gives_a_map_of_its_size(size: tuple[int, int]) -> None:
    module = build(*size, depth=3).eval()
    with torch.inference_mode():
        assert module(torch.randn(2, 3, *size)).shape == (2, 2, *size)


def test_the_edge_is_continued_where_the_size_divides_not() -> None:
    torch.manual_seed(0)
    module = build(16, 16, depth=2).eval()
    image = torch.randn(1, 3, 13, 16)
    continued = torch.cat([image, image[:, :, -1:].expand(-1, -1, 3, -1)], dim=2)
    with torch.inference_mode():
        torch.testing.assert_close(module(image), module(continued)[:, :, :13])


def test_width_doubles_with_each_halving() -> None:
    module = build(16, 16, depth=3)
    assert [pair[0].out_channels for pair in module.down] == [4, 8, 16, 32]
    assert [pair[0].in_channels for pair in module.up] == [32, 16, 8]


def test_a_single_pixel_reaches_its_own_place_through_the_bridges() -> None:
    torch.manual_seed(0)
    module = build(16, 16, depth=3).eval()
    image = torch.zeros(1, 3, 16, 16)
    image[0, :, 5, 9] = 50.0
    with torch.inference_mode():
        changed = (module(image) - module(torch.zeros_like(image))).abs().sum(dim=(0, 1))
    assert changed.flatten().argmax() in (5 * 16 + 9 + torch.tensor([-17, -16, -15, -1, 0, 1, 15, 16, 17]))


def test_more_halvings_than_pixels_are_refused() -> None:
    with pytest.raises(
        SpecError, match=r"network.depth of unet is 4: 16 pixels are needed at least, the pack has 8 x 64"
    ):
        build(8, 64, depth=4)
