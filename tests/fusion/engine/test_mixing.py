"""Mixup mixes neighbours, images and targets alike; cutout blanks a square of all that a sample holds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.engine.dataset import Batch
from fusion.engine.mixing import Mixer, Mixing, draw_mixing, find_neighbours


class Remember(torch.nn.Module):
    """An architecture that remembers what it was given."""

    def forward(self, image):
        self.given = image
        return image.mean()


def test_neighbours_are_pairs_and_an_odd_one_stays_alone():
    assert list(find_neighbours(5)) == [1, 0, 3, 2, 4]


def test_images_and_targets_are_mixed_by_the_same_shares():
    architecture = Remember()
    mixer = Mixer(architecture)
    image = torch.rand(3, 2, 4, 4)
    target = torch.eye(3)
    batch = Batch(inputs={}, target=target, truth=target)
    mixing = Mixing(shares=np.array([0.75, 0.6, 1.0], dtype=np.float32))
    mixed = mixer.start(mixing, batch)
    architecture(image)
    assert torch.allclose(mixed.target, torch.tensor([[0.75, 0.25, 0], [0.4, 0.6, 0], [0, 0, 1.0]]))
    assert mixed.truth is target
    assert torch.allclose(architecture.given[0], 0.75 * image[0] + 0.25 * image[1])
    assert torch.allclose(architecture.given[1], 0.6 * image[1] + 0.4 * image[0])
    assert torch.equal(architecture.given[2], image[2])


@pytest.mark.parametrize("shape", [(2, 3, 8, 10), (2, 4, 3, 8, 10)], ids=["image", "series"])
def test_a_square_is_blanked_at_the_same_place_in_all_bands_and_dates(shape):
    mixing = Mixing(corners=np.array([[0.5, 0.5], [0.0, 0.99]], dtype=np.float32), side=4)
    blanked = mixing.blank(torch.ones(shape)) == 0
    planes = blanked.reshape(2, -1, 8, 10)
    assert (planes == planes[:, :1]).all()
    inside = torch.zeros(2, 8, 10, dtype=torch.bool)
    inside[0, 2:6, 3:7] = True
    inside[1, 0:2, 7:10] = True  # cut by the edge
    assert torch.equal(planes[:, 0], inside)


def test_nothing_is_altered_where_nothing_is_learned():
    architecture = Remember()
    mixer, image = Mixer(architecture), torch.rand(2, 1, 4, 4)
    batch = Batch(inputs={}, target=torch.eye(2), truth=torch.eye(2))
    mixer.start(draw_mixing(2, mixup=1.0, cutout=2, seed=0, epoch=0, batch=0), batch)
    architecture.eval()(image)
    assert torch.equal(architecture.given, image)
    assert mixer.start(None, batch) is batch
    architecture.train()(image)
    assert torch.equal(architecture.given, image)


def test_shares_leave_a_sample_the_larger_part_and_follow_the_parameter():
    few, many = (draw_mixing(4000, mixup=a, cutout=0, seed=0, epoch=1, batch=2).shares for a in (0.1, 2.0))
    assert few.min() >= 0.5
    assert few.mean() > 0.9 > many.mean() > 0.6
    assert draw_mixing(5, mixup=1.0, cutout=0, seed=0, epoch=0, batch=0).shares[-1] == 1.0
    assert draw_mixing(5, mixup=0.0, cutout=0, seed=0, epoch=0, batch=0) is None


def test_a_part_of_a_batch_is_mixed_as_the_whole_is():
    whole = draw_mixing(8, mixup=0.5, cutout=3, seed=1, epoch=0, batch=0)
    image = torch.rand(8, 2, 6, 6)
    parts = [whole.cut(np.arange(4)), whole.cut(np.arange(4, 8))]
    mixed = torch.cat(
        [part.blank(part.mix(image[place : place + 4])) for part, place in zip(parts, (0, 4), strict=True)]
    )
    assert torch.equal(mixed, whole.blank(whole.mix(image)))
    assert replace(whole, shares=None).mix(image) is image
