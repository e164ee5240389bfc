"""The residual shift of two planes: known shifts found to a part of a pixel, and nothing told where nothing is sure."""

import numpy as np
import pytest

from fusion.errors import BadInputError
from fusion.registration import Shift, measure_shift

SIDE = 96


def make_ground(seed: int, side: int = SIDE) -> np.ndarray:
    """The spectrum of ground four times as large as a window: large forms are strong, small ones weak, as on land."""
    rng = np.random.default_rng(seed)
    down, across = np.fft.fftfreq(2 * side)[:, None], np.fft.fftfreq(2 * side)
    return np.fft.fft2(rng.normal(size=(2 * side, 2 * side))) / np.hypot(down, across).clip(1 / side) ** 1.3


def look(ground: np.ndarray, east: float = 0.0, north: float = 0.0, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """A window of the ground, which lies that many pixels further east and north; what left it is not in it."""
    side = len(ground) // 2
    down, across = np.fft.fftfreq(2 * side)[:, None], np.fft.fftfreq(2 * side)
    whole = np.fft.ifft2(ground * np.exp(-2j * np.pi * (across * east - down * north))).real
    window = whole[side // 2 : side // 2 + side, side // 2 : side // 2 + side]
    window = (window - window.mean()) / window.std()
    return window + noise * np.random.default_rng(seed).normal(size=window.shape)


def assert_near(found: Shift, east: float, north: float, within: float = 0.1) -> None:
    assert found.is_sure, found
    assert (found.east_px, found.north_px) == (pytest.approx(east, abs=within), pytest.approx(north, abs=within))


@pytest.mark.parametrize("seed", range(6))
def test_a_known_shift_is_found_within_a_tenth_of_a_pixel(seed):
    east, north = np.random.default_rng(seed).uniform(-6, 6, 2)
    ground = make_ground(seed)
    first, second = look(ground, noise=0.2, seed=seed), look(ground, east, north, noise=0.2, seed=100 + seed)
    assert_near(measure_shift(first, second), east, north)


def test_east_is_east_and_north_is_north():
    ground = make_ground(1)
    still, moved = look(ground), np.roll(look(ground), (-2, 3), axis=(0, 1))
    assert_near(measure_shift(still, moved), 3, 2)
    assert_near(measure_shift(moved, still), -3, -2)
    turned = [np.rot90(plane) for plane in (still, moved)]  # a quarter to the left: east becomes north, north west
    assert_near(measure_shift(*turned), -2, 3)
    assert_near(measure_shift(still, still), 0, 0, within=0.01)


def test_other_numbers_for_the_same_ground_are_found_by_its_edges():
    """As radar sees bright what is dark to the eye: neither the sign nor the scale of the contrast is the same."""
    ground = make_ground(2)
    first, second = look(ground, noise=0.05), 500 - 80 * look(ground, 2.4, -1.7, noise=0.05, seed=1) ** 3
    assert not measure_shift(first, second).is_sure
    assert_near(measure_shift(first, second, by_edges=True), 2.4, -1.7, within=0.2)


@pytest.mark.parametrize("by_edges", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_ground_that_has_nothing_in_common_is_unsure(seed, by_edges):
    found = measure_shift(look(make_ground(seed)), look(make_ground(seed + 50)), by_edges=by_edges)
    assert not found.is_sure
    assert (found.east_px, found.north_px, found.reason) == (None, None, "no clear peak")


def test_even_ground_water_and_waves_are_unsure():
    flat, rng = np.full((SIDE, SIDE), 1500, np.uint16), np.random.default_rng(0)
    assert measure_shift(flat, flat).reason == "even ground"
    assert measure_shift(flat, look(make_ground(0))).reason == "even ground"
    water = [1500 + rng.normal(size=flat.shape) for _ in range(2)]
    assert measure_shift(*water).reason == "no clear peak"
    rows = np.sin(2 * np.pi * np.arange(SIDE) / 8)[:, None] + np.sin(2 * np.pi * np.arange(SIDE) / 8)
    fields = [rows + 0.3 * rng.normal(size=flat.shape) for _ in range(2)]
    assert not measure_shift(*fields).is_sure  # eight pixels further it looks the same


@pytest.mark.parametrize("by_edges", [False, True])
def test_pixels_without_data_do_not_pull_the_shift_to_zero(by_edges):
    ground = make_ground(3)
    valid = np.ones((SIDE, SIDE), bool)
    valid[:, :25], valid[70:, 60:] = False, False
    first, second = (np.where(valid, 900 + 200 * look(ground, *shift), 0) for shift in ((0, 0), (2.4, -1.3)))
    masks = {"valid_reference": valid, "valid_moving": valid}
    assert_near(measure_shift(first, second, **masks, by_edges=by_edges), 2.4, -1.3)
    other = np.where(valid, 900 + 200 * look(make_ground(4)), 0)
    assert not measure_shift(first, other, **masks, by_edges=by_edges).is_sure
    first[~valid], second[~valid] = np.nan, np.nan
    assert_near(measure_shift(first, second, by_edges=by_edges), 2.4, -1.3)


def test_too_little_ground_is_unsure():
    plane, valid = look(make_ground(5)), np.zeros((SIDE, SIDE), bool)
    valid[:, : SIDE // 4] = True
    assert measure_shift(plane, plane, valid_moving=valid).reason == "too little ground in common"
    assert measure_shift(plane[:32], plane[:32]).reason.startswith("smaller than")
    assert measure_shift(plane, plane, valid_moving=np.zeros_like(valid)).reason == "too little ground in common"


def test_a_shift_of_half_the_window_is_not_believed():
    plane = look(make_ground(6))
    assert not measure_shift(plane, np.roll(plane, SIDE // 2, axis=1)).is_sure


@pytest.mark.parametrize("shape", [(SIDE, SIDE - 1), (1, SIDE, SIDE)])
def test_planes_of_other_sizes_are_refused(shape):
    plane = look(make_ground(7))
    with pytest.raises(BadInputError, match=rf"96 x 96, .*{shape[-1]}\. Cut both to the same window"):
        measure_shift(plane, np.zeros(shape))
    with pytest.raises(BadInputError, match="one size"):
        measure_shift(plane, plane, valid_moving=np.ones((3, 3), bool))
