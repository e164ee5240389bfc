"""A thread that reads ahead keeps the order, hands on errors and ends when nobody wants more."""

import threading
import time

import numpy as np
import pytest
import torch

from fusion.engine.batches import open_batches
from fusion.engine.read_ahead import read_ahead, send
from fusion.engine.setup import prepare_run
from fusion.engine.targets import TargetRows
from fusion.run import RunSpec


def count_threads():
    return sum(thread.name == "read-ahead" for thread in threading.enumerate())


def test_batches_come_in_the_same_order_as_without(make_spec):
    setup = prepare_run(RunSpec.from_json(make_spec(accumulate=2, mixup=0.3)))
    kinds = []
    for is_ahead in (False, True):
        with open_batches(setup.reader, setup.course, 1, range(2, 6), is_ahead=is_ahead) as batches:
            kinds.append(list(batches))
    assert len(kinds[0]) == len(kinds[1]) == 8
    for (one, batch), (other, ahead) in zip(*kinds, strict=True):
        assert np.array_equal(one.rows, other.rows)
        assert one.seed == other.seed
        assert torch.equal(batch.target, ahead.target)
        assert all(torch.equal(batch.inputs[name], ahead.inputs[name]) for name in batch.inputs)
    assert count_threads() == 0


def test_it_is_ahead_but_not_far_and_stops_in_the_middle():
    made = []

    def make():
        for number in range(1000):
            made.append(number)
            yield number

    with read_ahead(make(), depth=3) as items:
        assert [next(items) for _ in range(2)] == [0, 1]
        deadline = time.monotonic() + 5
        while len(made) < 6:  # two taken, three waiting, one in its hands
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(made) == 6
    assert count_threads() == 0


def test_an_error_is_raised_where_its_item_is_asked_for():
    def make():
        yield 1
        raise MemoryError("8 GB")

    with read_ahead(make()) as items:
        assert next(items) == 1
        with pytest.raises(MemoryError, match="8 GB"):
            next(items)


def test_the_end_is_the_end():
    with read_ahead(iter([1, 2])) as items:
        assert list(items) == [1, 2]


def test_every_tensor_of_a_batch_is_sent_and_all_else_kept():
    rows = TargetRows(values=torch.ones(2), present=torch.ones(2, dtype=torch.bool), offsets=None)
    there = send({"target": {"boxes": rows}, "name": "a"}, torch.device("meta"))
    assert there["target"]["boxes"].values.device.type == "meta"
    assert there["target"]["boxes"].offsets is None
    assert there["name"] == "a"
