"""Grids as text: the header is held against what follows it, and the numbers are where it says."""

import numpy as np
import pytest

from fusion.errors import BadFileError
from fusion.sources.ascii_grid import inspect_grid, read_grid

HEAD = "ncols 3\nnrows 2\nxllcorner 600000\nyllcorner 5300000\ncellsize 10\nNODATA_value -9999\n"


def write(folder, head=HEAD, numbers="1 2 3\n4 -9999 6.5\n"):
    path = folder / "heights.asc"
    path.write_text(head + numbers)
    return path


def test_numbers_and_place_are_taken(tmp_path):
    [info] = inspect_grid(write(tmp_path), epsg=32632)
    assert (info.shape, info.value_range, info.epsg) == ((2, 3), (1.0, 6.5), 32632)
    assert info.transform == (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_020.0)
    assert info.invalid_share == pytest.approx(1 / 6)
    values = read_grid(write(tmp_path))
    assert np.isnan(values[1, 1])
    assert values[1, 2] == 6.5
    centre = HEAD.replace("xllcorner", "xllcenter").replace("yllcorner", "yllcenter")
    assert inspect_grid(write(tmp_path, centre))[0].transform[2] == 599_995.0


def test_without_a_crs_it_says_so_and_a_wrong_one_is_refused(tmp_path):
    assert inspect_grid(write(tmp_path))[0].notes == ("The format says no coordinate reference system",)
    with pytest.raises(BadFileError, match=r"heights\.asc: "):
        inspect_grid(write(tmp_path), epsg=4326)


@pytest.mark.parametrize(
    ("head", "numbers", "words"),
    [
        (HEAD, "1 2 3\n4 5\n", "bytes follow"), (HEAD, "1 2 3\n4 5 six\n", "cannot be read"),
        (HEAD, "1 2 3\n4 5 6 7\n", "it has 7"), (HEAD.replace("ncols 3", "ncols 99999"), "1 2", "bytes follow"),
        (HEAD.replace("ncols 3", "ncols 1e12"), "1 2", "the limit is"),
        (HEAD.replace("nrows 2", "nrows -2"), "1 2", "the limit is"),
        (HEAD.replace("cellsize 10", "cellsize 0"), "1 2", "header is not"), ("", "1 2 3", "header is not"),
        (HEAD, "-9999 " * 6, "not one value"), (HEAD.replace("ncols 3", "ncols 3.5"), "1 " * 9, "bytes follow"),
    ],
)  # fmt: skip
def test_a_grid_that_cannot_be_is_refused_by_name(tmp_path, head, numbers, words):
    with pytest.raises(BadFileError, match=r"heights\.asc: ") as caught:
        inspect_grid(write(tmp_path, head, numbers))
    assert words in str(caught.value)
