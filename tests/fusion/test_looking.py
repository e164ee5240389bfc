"""Uploads are looked at in a child: the same infos come back, and what breaks there is told here."""

import json

import numpy as np
import pytest

from fusion.bounded import Bounds
from fusion.errors import BadFileError
from fusion.looking import _revive_info, _write_down, look_at_upload
from fusion.sources.cubes import inspect_cube
from fusion.sources.stac import inspect_item
from fusion.sources.stations import inspect_series

ITEM = {
    "type": "Feature", "stac_version": "1.0.0", "id": "scene", "geometry": {"type": "Point", "coordinates": [10, 48]},
    "properties": {"datetime": "2026-05-01T10:00:00Z"},
    "assets": {"red": {"href": "./B04.tif", "proj:transform": [10, 0, 6e5, 0, -10, 53e5], "proj:epsg": 32632}},
}  # fmt: skip


def test_the_same_info_comes_back(tmp_path):
    np.save(tmp_path / "cube.npy", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    assert look_at_upload(tmp_path / "cube.npy", "cubes") == inspect_cube(tmp_path / "cube.npy")


def test_every_kind_of_value_survives_being_written_down(tmp_path):
    (tmp_path / "item.json").write_text(json.dumps(ITEM))
    (tmp_path / "air.csv").write_text("date,station,airT,lat,lon\n2026-05-01,a,1,48,11\n2026-05-02,a,2,48,11\n")
    for info in (*inspect_item(tmp_path / "item.json"), *inspect_series(tmp_path / "air.csv")):
        told = json.loads(json.dumps({"kind": type(info).__name__, "held": _write_down(info)}))
        assert _revive_info(told) == info
    with pytest.raises(BadFileError, match="no info"):
        _revive_info({"kind": "Path", "held": {}})


def test_a_refusal_and_a_limit_are_told(tmp_path):
    (tmp_path / "cube.npy").write_bytes(b"no array")
    with pytest.raises(BadFileError, match=r"cube\.npy: it is no NumPy array"):
        look_at_upload(tmp_path / "cube.npy", "cubes")
    np.save(tmp_path / "cube.npy", np.zeros(10))
    with pytest.raises(BadFileError, match=r"cube\.npy: "):
        look_at_upload(tmp_path / "cube.npy", "cubes", Bounds(memory_bytes=60 * 2**20))
