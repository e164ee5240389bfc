"""Boxes as maps: what is written is read back, the nearest box of a peak, the cost of what is missed."""

import numpy as np
import pytest
import torch

from fusion.boxes import measure_iou, stand_upright
from fusion.engine.box_maps import PRIOR, BoxForm, decode, decode_target, encode, measure_maps
from fusion.errors import BadInputError

SIZE = (30, 40)
FORM = BoxForm(classes=2, oriented=True, mean=(2.0, 1.0), std=(0.4, 0.3))
UPRIGHT = BoxForm(classes=2, oriented=False, mean=(2.0, 1.0), std=(0.4, 0.3))


def draw(n: int = 6, seed: int = 0) -> np.ndarray:
    """Boxes in places of a lattice, so that none shares a pixel or suppresses another."""
    rng = np.random.default_rng(seed)
    places = rng.permutation([(x, y) for x in (5, 15, 25, 35) for y in (5, 15, 25)])[:n] + rng.uniform(-2, 2, (n, 2))
    return np.column_stack([places, rng.uniform(2, 6, (n, 2)), rng.uniform(-180, 180, n), rng.integers(0, 2, n)])


def make_outputs(maps: np.ndarray) -> torch.Tensor:
    """What a network would have to give for these maps."""
    outputs = torch.from_numpy(maps[None, :-1].copy())
    outputs[:, :2] = torch.where(outputs[:, :2] == 1, 9.0, -9.0) - PRIOR
    return outputs


@pytest.mark.parametrize("form", [FORM, UPRIGHT])
def test_what_is_written_is_read_back(form: BoxForm) -> None:
    boxes = draw() if form.oriented else stand_upright(draw())
    maps = encode(boxes, SIZE, form)
    assert maps.shape == (form.channels + 1, *SIZE)
    found, offsets = decode(make_outputs(maps), form, temperature=1.0, least=0.1, overlap=0.5)
    again, _ = decode_target(torch.from_numpy(maps[None]), form)
    assert offsets.tolist() == [0, len(boxes)]
    for boxes_read in (found.numpy(), again.numpy()):
        overlap = measure_iou(boxes, boxes_read)
        order = overlap.argmax(axis=1)
        assert sorted(order) == list(range(len(boxes)))
        np.testing.assert_allclose(boxes_read[order, :4], boxes[:, :4], rtol=1e-5)
        np.testing.assert_array_equal(boxes_read[order, 5], boxes[:, 5])
        turn = (boxes_read[order, 4] - boxes[:, 4]) % 180  # a box turned by 180 degrees is the same box
        np.testing.assert_allclose(np.minimum(turn, 180 - turn), 0, atol=1e-3)


def test_the_centre_is_one_and_falls_off_with_the_shorter_side() -> None:
    small, large = (encode(np.array([[20.5, 15.5, size, size, 0, 1.0]]), SIZE, FORM) for size in (4.0, 24.0))
    for maps in (small, large):
        assert maps[1].argmax() == 15 * 40 + 20
        assert maps[1].max() == 1
        assert not maps[0].any()
        assert maps[-1].sum() == 1
    assert small[1, 15, 23] == 0.0 < large[1, 15, 23] < 1


def test_of_boxes_in_one_pixel_the_smaller_is_learned() -> None:
    boxes = np.array([[20.3, 15.2, 4, 4, 0, 0], [20.6, 15.7, 9, 9, 0, 1.0]])
    found, _ = decode_target(torch.from_numpy(encode(boxes, SIZE, FORM)[None]), FORM)
    np.testing.assert_allclose(found[found[:, 5] == 0][0, :4], boxes[0, :4], rtol=1e-5)
    for order in (boxes, boxes[::-1]):
        assert np.array_equal(encode(order, SIZE, FORM), encode(boxes, SIZE, FORM))


def test_a_centre_at_the_edge_belongs_to_the_last_pixel_and_one_outside_is_refused() -> None:
    edge = encode(np.array([[40.0, 30.0, 4, 4, 0, 0]]), SIZE, FORM)
    assert edge[0, 29, 39] == 1
    with pytest.raises(BadInputError, match=r"centre at x 40.5, y 3, outside the 30 x 40 pixels. Cut it at the edge"):
        encode(np.array([[40.5, 3.0, 4, 4, 0, 0]]), SIZE, FORM)


def test_doubles_are_suppressed_and_weak_peaks_left_out() -> None:
    boxes = np.array([[10.5, 10.5, 8, 4, 20, 0], [13.5, 11.5, 8, 4, 20, 0], [30.5, 20.5, 8, 4, 0, 0.0]])
    outputs = make_outputs(encode(boxes, SIZE, FORM))
    outputs[0, 0, 11, 13] = 1.0
    outputs[0, 0, 20, 30] = -2.0
    found, _ = decode(outputs, FORM, temperature=1.0, least=0.05, overlap=0.3)
    assert found[:, 0].tolist() == pytest.approx([10.5])
    found, _ = decode(outputs, FORM, temperature=1.0, least=0.01, overlap=1.0)
    assert found[:, 0].tolist() == pytest.approx([10.5, 13.5, 30.5])
    assert (found[:-1, 6] >= found[1:, 6]).all()


def test_the_cost_is_least_at_the_truth_and_knows_what_is_wrong() -> None:
    boxes = draw()
    target = torch.from_numpy(encode(boxes, SIZE, FORM)[None])
    right = make_outputs(target[0].numpy())
    cost = measure_maps(right, target, FORM)
    assert 0 <= float(cost) < 0.02
    for place, change in ((0, 1.0), (2, 0.1), (4, 0.1), (6, 0.1)):  # heat, offset, size, angle
        wrong = right.clone()
        wrong[:, place] += change
        assert measure_maps(wrong, target, FORM) > cost
    nothing = torch.from_numpy(encode(np.zeros((0, 6)), SIZE, FORM)[None])
    assert float(measure_maps(right, nothing, FORM)) > 10
    silent = torch.full_like(right, -9.0)
    assert float(measure_maps(silent, nothing, FORM)) < 1e-3


def test_offset_size_and_angle_are_learned_at_centres_alone() -> None:
    target = torch.from_numpy(encode(draw(), SIZE, FORM)[None])
    outputs = torch.randn(1, FORM.channels, *SIZE).requires_grad_()
    measure_maps(outputs, target, FORM).sum().backward()
    elsewhere = target[0, -1] == 0
    assert not outputs.grad[0, 2:, elsewhere].any()
    assert outputs.grad[0, 2:, ~elsewhere].all()
