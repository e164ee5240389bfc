"""What is read in a run is a function of seed and place; processes and micro-batches share it without a gap."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.engine.balancing import balance, read_classes
from fusion.engine.course import Course
from fusion.engine.head import TargetInfo
from fusion.engine.parallel import split
from fusion.engine.symmetries import list_allowed
from fusion.errors import SpecError
from fusion.modality import find
from fusion.run import RunSpec


def make_course(rank=0, count=1, classes=None, **words):
    spec = RunSpec(task="lcz", pack="p", **words)
    rows = np.arange(100)
    return Course(spec=spec, rows=rows, classes=classes, symmetries=(0, 1), by_blocks=False, rank=rank, count=count)


@pytest.mark.parametrize(
    ("count", "accumulate", "mixup"), [(1, 1, 0.0), (2, 1, 0.0), (3, 2, 0.0), (2, 3, 0.3), (1, 4, 0.3)]
)
def test_processes_and_micro_batches_together_read_the_step_and_nothing_twice(count, accumulate, mixup):
    words = {"batch_size": 37, "accumulate": accumulate, "mixup": mixup, "cutout": 3}
    alone = make_course(batch_size=37, mixup=mixup, cutout=3)
    order = alone.order(5)
    (whole,) = alone.list_portions(order, 5, 1)
    portions = [make_course(rank, count, **words).list_portions(order, 5, 1) for rank in range(count)]
    assert all(len(mine) == accumulate and [part.is_last for part in mine][-1] for mine in portions)
    in_order = [mine[micro] for micro in range(accumulate) for mine in portions]
    assert np.array_equal(np.concatenate([part.rows for part in in_order]), whole.rows)
    assert np.array_equal(np.concatenate([part.symmetries for part in in_order]), whole.symmetries)
    assert np.array_equal(np.concatenate([part.mixing.corners for part in in_order]), whole.mixing.corners)
    assert sum(part.share for part in in_order) == pytest.approx(1.0)
    assert len({part.seed for part in in_order}) == count * accumulate
    assert all(len(part.rows) for part in in_order)
    if mixup:  # pairs stay together
        assert all(len(part.rows) % 2 == 0 for part in in_order[:-1])


def test_what_is_drawn_depends_on_the_place_alone():
    course = make_course(mixup=0.2, cutout=4, batch_size=10)
    order = course.order(2)
    again = make_course(mixup=0.2, cutout=4, batch_size=10)
    one, two = course.list_portions(order, 2, 3)[0], again.list_portions(again.order(2), 2, 3)[0]
    assert np.array_equal(one.mixing.shares, two.mixing.shares)
    assert one.seed == two.seed
    other = course.list_portions(order, 2, 4)[0]
    assert not np.array_equal(one.mixing.shares, other.mixing.shares)


def test_rows_are_split_evenly_in_whole_pairs():
    assert [len(part) for part in split(np.arange(20), 3)] == [6, 7, 7]
    assert [len(part) for part in split(np.arange(21), 3, 2)] == [6, 8, 7]


def test_the_least_step_is_just_large_enough():
    for count, accumulate, mixup in ((1, 1, 0.0), (2, 3, 0.0), (3, 2, 0.5)):
        course = make_course(count=count, accumulate=accumulate, mixup=mixup)
        least = course.find_least()
        for held, is_enough in ((least, True), (least - 1, False)):
            micros = split(np.arange(held), accumulate, course.unit)
            sizes = [len(part) for micro in micros for part in split(micro, count, course.unit)]
            assert (min(sizes) > 0) == is_enough


def test_balanced_epochs_hold_every_class_equally_often():
    classes = np.repeat([3, 7, 9], [80, 15, 5])
    rows = np.arange(100) + 1000
    epochs = [balance(rows, classes, seed=1, epoch=epoch) for epoch in range(4)]
    for drawn in epochs:
        assert len(drawn) == 100
        counts = np.unique(classes[drawn - 1000], return_counts=True)[1]
        assert sorted(counts) == [33, 33, 34]
        frequent, rare = drawn[classes[drawn - 1000] == 3], drawn[classes[drawn - 1000] == 9]
        assert len(set(frequent)) == len(frequent)  # none twice before all came once
        assert set(np.unique(rare, return_counts=True)[1]) <= {6, 7}
    assert np.array_equal(epochs[2], balance(rows, classes, seed=1, epoch=2))
    assert not np.array_equal(np.sort(epochs[0]), np.sort(epochs[1]))


def test_classes_come_from_labels_and_only_where_there_are_classes(toy_pack):
    target = TargetInfo(name="lcz17", head="classes")
    assert np.array_equal(read_classes(toy_pack, target), toy_pack.labels("lcz17"))
    with pytest.raises(SpecError, match="balance: head 'field' has no classes"):
        read_classes(toy_pack, replace(target, head="field"))


def test_sensors_say_how_they_may_be_turned():
    above = [find("sentinel1"), find("sentinel2")]
    assert list_allowed(above, is_square=True) == tuple(range(8))
    assert list_allowed(above, is_square=False) == (0, 1, 2, 3)
    assert list_allowed([find("street_view")], is_square=True) == (0, 2)
    assert list_allowed([*above, find("polsar")], is_square=True) == (0, 3, 5, 6)
    assert list_allowed([find("polsar"), find("street_view")], is_square=True) == (0,)
    assert list_allowed([find("sentinel1_slc")], is_square=True) == (0,)


def test_turns_are_turns_and_the_mirror_is_one():
    """A turn keeps the sense of rotation of three corners, a mirror does not."""
    from fusion.engine.symmetries import ALLOWED, SYMMETRIES

    corners = np.array([[[1, 2], [4, 3]]])
    turned = {tuple(SYMMETRIES[number](corners).ravel()) for number in ALLOWED["turns"]}
    assert turned == {(1, 2, 4, 3), (3, 4, 2, 1), (2, 3, 1, 4), (4, 1, 3, 2)}
    assert tuple(SYMMETRIES[2](corners).ravel()) == (2, 1, 3, 4)
