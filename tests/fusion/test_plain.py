"""Numbers that no modality declares: classes in colours that are told apart, cubes by planes that show something."""

import numpy as np

from fusion.painting import read_colour
from fusion.plain import choose_planes, paint_plain

VALID = np.ones((24, 24), dtype=bool)
SMOOTH = np.add.outer(np.arange(24.0), np.arange(24.0)).astype(np.float32)
NOISE = np.random.default_rng(0).normal(size=(24, 24)).astype(np.float32) * 50


def test_planes_of_noise_are_passed_over():
    cube = np.stack([NOISE, SMOOTH, NOISE, NOISE, NOISE, SMOOTH, SMOOTH, NOISE, NOISE])
    assert choose_planes(cube, VALID) == [6, 5, 1]
    picture = paint_plain(cube, VALID)
    assert abs(np.diff(picture[..., 0].astype(int))).max() < 20


def test_ground_that_holds_little_but_noise_is_shown_pale():
    loud, pale = (paint_plain(np.stack([NOISE] * 4), VALID, is_ground=calm)[..., 0] for calm in (False, True))
    assert pale.std() < loud.std() / 5
    town = np.stack([SMOOTH] * 4)
    assert np.array_equal(paint_plain(town, VALID, is_ground=True), paint_plain(town, VALID))


def test_few_planes_are_shown_as_they_come():
    assert choose_planes(NOISE[None], VALID) == [0, 0, 0]
    assert choose_planes(np.stack([NOISE, SMOOTH]), VALID) == [0, 1, 1]
    assert choose_planes(np.zeros((3, 24, 24), np.uint8), VALID) == [0, 1, 2]
    assert choose_planes(np.stack([NOISE, SMOOTH, SMOOTH]), VALID) == [2, 1, 0]


def test_planes_without_any_data_are_taken_last():
    cube = np.stack([np.full((24, 24), np.nan, np.float32), SMOOTH] * 3)
    assert choose_planes(cube, VALID) == [5, 3, 1]
    assert not paint_plain(cube[:1], ~VALID).any()


def test_a_map_of_classes_has_a_colour_for_each():
    classes = np.repeat(np.arange(1, 5, dtype=np.uint8), 144).reshape(1, 24, 24)
    picture = paint_plain(classes, VALID)
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) == 4
    assert (picture[..., 3] == 255).all()
    assert len(np.unique(paint_plain(SMOOTH[None] + 0.5, VALID)[..., 0])) > 20


def test_local_climate_zones_have_their_own_colours_in_either_coding():
    water = (0x6A, 0x6A, 0xFF)
    assert read_colour("#6a6aff") == water
    for name, codes in (("NYC_LCZ.tif", (2, 107)), ("redonWudapt.tif", (2, 17))):
        plane = np.where(np.arange(24) < 12, *codes).astype(np.float64)[None, None].repeat(24, axis=1)
        picture = paint_plain(plane, VALID, name=name)
        assert tuple(picture[0, 23, :3]) == water
        assert tuple(picture[0, 0, :3]) == (0xD1, 0, 0)
