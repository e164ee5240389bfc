"""Geometry of oriented boxes: corners, overlap, suppression of doubles, and the pixels that belong to each.

A box is (cx, cy, width, height, angle_deg, ...) in pixels of its patch as in fusion.pack_target: x to the right, y
down, the width along the angle, which turns from x towards y. A pixel (row, column) has its middle at (column, row) +
0.5.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
QUARTER, HALF = 90.0, 180.0
REACH = 1.5  # of half a box's size: how far from its middle a pixel may belong to it
CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


def find_corners(boxes: npt.ArrayLike) -> Floats:
    """Corners [n, 4, (x, y)] in the order of their turn."""
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, np.shape(boxes)[-1])
    angle = np.radians(given[:, 4])
    along, across = np.stack([np.cos(angle), np.sin(angle)], 1), np.stack([-np.sin(angle), np.cos(angle)], 1)
    steps = CORNERS[None] * given[:, None, 2:4]
    return given[:, None, :2] + steps[..., :1] * along[:, None] + steps[..., 1:] * across[:, None]


def stand_upright(boxes: npt.ArrayLike) -> Floats:
    """The smallest upright boxes around these; angles become 0, further columns stay."""
    out = np.array(boxes, dtype=np.float64)
    turned = (out[:, 4] % HALF) != 0
    if turned.any():
        corners = find_corners(out[turned])
        out[turned, 2:4] = np.ptp(corners, axis=1)
    out[:, 4] = 0.0
    return out


def measure_iou(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """Intersection over union [n, m] of boxes [n, 5 or more] and [m, 5 or more]."""
    a, b = (np.asarray(boxes, dtype=np.float64) for boxes in (one, other))
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    is_upright = not (np.concatenate([a[:, 4], b[:, 4]]) % QUARTER).any()
    shared = _share_upright(a, b) if is_upright else _share_turned(a, b)
    areas = [boxes[:, 2] * boxes[:, 3] for boxes in (a, b)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


def _share_upright(a: Floats, b: Floats) -> Floats:
    (low_a, high_a), (low_b, high_b) = (_find_edges(boxes) for boxes in (a, b))
    sides = np.minimum(high_a[:, None], high_b[None]) - np.maximum(low_a[:, None], low_b[None])
    return np.asarray(np.clip(sides, 0, None).prod(axis=2))


def _find_edges(boxes: Floats) -> tuple[Floats, Floats]:
    is_swapped = ((boxes[:, 4] / QUARTER) % 2 == 1)[:, None]
    size = np.where(is_swapped, boxes[:, [3, 2]], boxes[:, 2:4])
    return boxes[:, :2] - size / 2, boxes[:, :2] + size / 2


def _share_turned(a: Floats, b: Floats) -> Floats:
    """Areas of the intersections of those pairs that a tree of rectangles finds near each other."""
    one, other = (shapely.polygons(find_corners(boxes)) for boxes in (a, b))
    rows, columns = shapely.STRtree(other).query(one)
    shared = np.zeros((len(a), len(b)))
    shared[rows, columns] = shapely.area(shapely.intersection(one[rows], other[columns]))
    return shared


def suppress(boxes: npt.ArrayLike, scores: npt.ArrayLike, classes: npt.ArrayLike, iou: float) -> npt.NDArray[np.int64]:
    """Rows that are kept, best first: of boxes of one class that overlap by more than `iou` the best alone."""
    given, kinds = np.asarray(boxes, dtype=np.float64), np.asarray(classes)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    rivals = (measure_iou(given, given) > iou) & (kinds[:, None] == kinds[None])
    is_out, kept = np.zeros(len(order), dtype=bool), []
    for row in order.tolist():
        if not is_out[row]:
            kept.append(row)
            is_out |= rivals[row]
    return np.array(kept, dtype=np.int64)


def find_places(boxes: npt.ArrayLike, size: tuple[int, int]) -> Floats:
    """Where each pixel lies in each box [n, (along, across), y, x]: 0 in its middle, -1 and 1 at its sides."""
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, np.shape(boxes)[-1])
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    dx, dy = x - given[:, 0, None, None], y - given[:, 1, None, None]
    angle = np.radians(given[:, 4])[:, None, None]
    cos, sin = np.cos(angle), np.sin(angle)
    places = np.stack([dx * cos + dy * sin, dy * cos - dx * sin], axis=1)
    return places / (given[:, 2:4, None, None] / 2)


def paint_boxes(boxes: npt.ArrayLike, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels [y, x] whose middle lies in any of the boxes."""
    return np.asarray((abs(find_places(boxes, size)).max(axis=1) <= 1).any(axis=0))


def cut_instances(boxes: npt.ArrayLike, foreground: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """The number of the box, from 1, that each foreground pixel [y, x] belongs to, 0 where to none.

    A pixel goes to the box in whose own axes and sizes it lies nearest to the middle, by the larger of the two, and to
    none that it lies further from than REACH. So neighbours are parted at equal shares of their sizes, and what of a
    thing sticks out of its box stays with it.
    """
    ground = np.asarray(foreground, dtype=bool)
    if not len(np.asarray(boxes)):
        return np.zeros(ground.shape, dtype=np.int32)
    far = abs(find_places(boxes, (ground.shape[0], ground.shape[1]))).max(axis=1)
    nearest = far.argmin(axis=0)
    return np.where(ground & (far.min(axis=0) <= REACH), nearest + 1, 0).astype(np.int32)
