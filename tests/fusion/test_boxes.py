"""Oriented boxes: their corners, their overlap against shapely, what suppression keeps, whose each pixel is."""

import numpy as np
import pytest
import shapely
from shapely import affinity

from fusion.boxes import cut_instances, find_corners, measure_iou, paint_boxes, stand_upright, suppress


def draw(n: int, seed: int = 0, turned: bool = True) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-180, 180, n) if turned else rng.choice([-90.0, 0.0, 90.0, 180.0], n)
    return np.column_stack([rng.uniform(0, 20, (n, 2)), rng.uniform(1, 12, (n, 2)), angle])


def make_polygon(box: np.ndarray) -> shapely.Polygon:
    """The box as shapely builds and turns it."""
    cx, cy, width, height, angle = box[:5]
    upright = shapely.box(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
    return affinity.rotate(upright, angle, origin=(cx, cy))


@pytest.mark.parametrize("turned", [True, False])
def test_the_overlap_of_any_two_boxes_is_shapelys(turned: bool) -> None:
    one, other = draw(30, 0, turned), draw(20, 1, turned)
    found = measure_iou(one, other)
    polygons = [[make_polygon(box) for box in boxes] for boxes in (one, other)]
    wanted = [[a.intersection(b).area / a.union(b).area for b in polygons[1]] for a in polygons[0]]
    assert found.shape == (30, 20)
    assert (np.array(wanted) > 0).sum() > 50
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_boxes_beside_none_overlap_nothing() -> None:
    assert measure_iou(np.zeros((0, 5)), draw(3)).shape == (0, 3)
    assert measure_iou(draw(3), np.zeros((0, 5))).shape == (3, 0)


def test_corners_turn_from_x_towards_y() -> None:
    corners = find_corners([[10.0, 20.0, 6.0, 2.0, 90.0]])[0]
    np.testing.assert_allclose(sorted(map(tuple, corners.round(9))), [(9, 17), (9, 23), (11, 17), (11, 23)])


def test_an_upright_box_around_a_turned_one_holds_its_corners() -> None:
    boxes = np.column_stack([draw(10), np.arange(10)])
    upright = stand_upright(boxes)
    corners = find_corners(boxes)
    np.testing.assert_allclose(np.ptp(corners, axis=1), upright[:, 2:4])
    np.testing.assert_allclose((corners.max(axis=1) + corners.min(axis=1)) / 2, upright[:, :2])
    assert (upright[:, 4] == 0).all()
    assert (upright[:, 5] == boxes[:, 5]).all()


def test_of_boxes_of_one_class_on_each_other_the_best_is_kept() -> None:
    boxes = np.array([[5, 5, 4, 2, 30], [5.2, 5, 4, 2, 30], [5, 5, 4, 2, 120], [15, 5, 4, 2, 0], [5, 5, 4, 2, 30.0]])
    kept = suppress(boxes, [0.5, 0.9, 0.8, 0.1, 0.3], [0, 0, 0, 0, 1], iou=0.5)
    assert kept.tolist() == [1, 2, 4, 3]  # best first; one across it, one far off and one of another class stay


def test_a_box_that_was_suppressed_suppresses_nothing() -> None:
    row = np.array([[x, 5.0, 4.0, 2.0, 0.0] for x in (5.0, 6.0, 7.0)])
    assert suppress(row, [0.9, 0.8, 0.7], [0, 0, 0], iou=0.5).tolist() == [0, 2]


def test_painted_pixels_are_those_whose_middle_shapely_finds_inside() -> None:
    boxes = draw(3, 4)
    y, x = np.mgrid[:20, :25] + 0.5
    shape = shapely.union_all([make_polygon(box) for box in boxes])
    assert np.array_equal(paint_boxes(boxes, (20, 25)), shapely.contains_xy(shape, x, y))


def test_neighbours_share_their_pixels_where_they_meet() -> None:
    boxes = np.array([[5.0, 5.0, 8.0, 8.0, 0.0], [11.0, 5.0, 4.0, 8.0, 0.0]])  # they meet at x 9
    numbers = cut_instances(boxes, np.ones((10, 30)))
    assert set(np.unique(numbers)) == {0, 1, 2}
    assert numbers[5, :9].tolist() == [1] * 9
    assert numbers[5, 9:14].tolist() == [2] * 5
    assert not numbers[:, 15:].any(), "too far from either"


def test_background_belongs_to_nobody() -> None:
    foreground = np.zeros((6, 6))
    foreground[2:4, 2:4] = 1
    assert cut_instances([[3.0, 3.0, 4.0, 4.0, 0.0]], foreground).sum() == 4
    assert not cut_instances(np.zeros((0, 7)), foreground).any()
