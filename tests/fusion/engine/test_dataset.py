"""Batches come in a seeded order, as stored, and all modalities of a sample turn together."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fusion.engine.dataset import MemoryArray, Reader, count_batches, is_read_by_blocks, read_inputs, shuffle
from fusion.engine.symmetries import draw_symmetries, turn
from fusion.engine.targets import DenseRows
from fusion.pack_order import shuffle_blocks


def test_an_epoch_holds_every_row_once_in_an_order_of_seed_and_epoch():
    rows = np.arange(100, 150)
    orders = [shuffle(rows, seed=seed, epoch=epoch) for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == list(rows) for order in orders)
    assert (orders[0] == orders[1]).all()
    assert not (orders[0] == orders[2]).all()
    assert not (orders[0] == orders[3]).all()


def test_there_are_eight_symmetries_and_each_keeps_the_pixels():
    image = np.arange(2 * 3 * 3).reshape(1, 2, 3, 3)
    turned = turn(np.repeat(image, 8, axis=0), np.arange(8))
    assert len({part.tobytes() for part in turned}) == 8
    assert all(sorted(part[1].ravel()) == sorted(image[0, 1].ravel()) for part in turned)


def test_a_rectangle_keeps_its_shape():
    drawn = draw_symmetries(500, (0, 1, 2, 3), seed=0, epoch=0, batch=0)
    assert set(drawn) == {0, 1, 2, 3}
    assert turn(np.zeros((500, 1, 2, 5)), drawn).shape == (500, 1, 2, 5)


def test_all_modalities_of_a_sample_turn_together():
    image = np.random.default_rng(0).integers(0, 99, (20, 1, 4, 4))
    arrays = {"a": MemoryArray(values=image.astype(np.uint16)), "b": MemoryArray(values=image.astype(np.float32))}
    drawn = draw_symmetries(20, tuple(range(8)), seed=3, epoch=1, batch=2)
    batch = read_inputs(arrays, np.arange(20), torch.device("cpu"), drawn)
    assert (batch["a"].float() == batch["b"]).all()
    assert not (batch["b"].numpy() == image).all()


def test_values_are_handed_over_as_stored(toy_pack):
    names = toy_pack.array_names
    shares = toy_pack.distribution("lcz17")
    reader = Reader(
        arrays={name: toy_pack.array(name) for name in names},
        target=DenseRows(values=shares, truth={}),
        truth=DenseRows(values=np.zeros_like(shares), truth={}),
        device=torch.device("cpu"),
    )
    batch = reader.read(np.array([7, 3]))
    assert batch.inputs["sentinel2"].dtype == torch.uint16
    assert batch.inputs["sentinel1"].dtype == torch.float32
    assert (batch.inputs["sentinel2"].numpy()[1] == toy_pack.array("sentinel2")[3]).all()
    assert (batch.target.numpy() == shares[[7, 3]]).all()


@pytest.mark.parametrize(("samples", "batches"), [(64, 4), (70, 4), (5, 1)])
def test_an_epoch_is_made_of_whole_batches(samples, batches):
    assert count_batches(samples, 16) == batches


def test_an_epoch_by_blocks_is_that_of_the_packs_order():
    rows = np.arange(1_000)
    by_blocks = shuffle(rows, seed=2, epoch=3, by_blocks=True)
    assert (by_blocks == shuffle_blocks(rows, seed=2, epoch=3)).all()
    assert not (by_blocks == shuffle(rows, seed=2, epoch=3)).all()


def test_what_is_larger_than_eight_gigabytes_is_read_by_blocks(toy_pack):
    small = toy_pack.array("sentinel2")
    large = SimpleNamespace(shape=(170_000, 13, 64, 64), dtype=np.dtype("uint16"))
    assert [is_read_by_blocks("auto", arrays) for arrays in ([small], [small, large])] == [False, True]
    assert [is_read_by_blocks(order, [small]) for order in ("whole", "blocks")] == [False, True]
