"""STAC Items and their assets: claims are checked against the files, and nothing leads out of the item's folder."""

import hashlib
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from fusion.errors import BadFileError, BadRasterError
from fusion.sources.stac import inspect_asset, inspect_item, read_asset, read_item
from tests.fusion.sources.stac.store import BOX, PIXELS, address, item, write


def test_an_item_says_where_and_when_and_what(store):
    [info] = inspect_item(store / "item.json")
    [asset] = info.assets
    assert info.captured_from == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert info.lonlat_bounds == tuple(BOX)
    assert (asset.bands, asset.wavelengths_nm, asset.epsg, asset.roles) == (("red",), (665.0,), 32632, ("data",))
    assert asset.uri == str((store / "B04.tif").resolve())
    assert asset.sha256 == hashlib.sha256((store / "B04.tif").read_bytes()).hexdigest()


def test_a_window_of_a_local_asset_is_read(store):
    [asset] = inspect_item(store / "item.json")[0].assets
    assert inspect_asset(asset).epsg == 32632
    values, valid = read_asset(asset, (100, 200, 30, 20))
    assert np.array_equal(values, PIXELS[:, 200:220, 100:130])
    assert valid.all()


def test_an_asset_far_away_is_read_by_range_and_not_whole(store, server, files):
    found = read_item(address(server, "item.json"), files)
    [asset] = found.assets
    assert asset.uri == address(server, "B04.tif")
    assert inspect_asset(asset, files).block == (512, 512)
    values, _ = read_asset(asset, (0, 0, 64, 64), files=files)
    assert np.array_equal(values, PIXELS[:, :64, :64])
    assert files.bytes_read < (store / "B04.tif").stat().st_size
    with pytest.raises(BadFileError, match="no list of hosts"):
        read_asset(asset)


BAD_ITEMS = [
    ({"type": "Catalog"}, "no STAC Item"), ({"stac_version": "0.9.0"}, "STAC version"), ({"id": ""}, "no id"),
    ({"assets": {}}, "no assets"), ({"properties": {}}, "says no time"), ({"geometry": None}, "no geometry"),
    ({"properties": {"datetime": "soon"}}, "says no time"), ({"bbox": [0, 0, 1, 1]}, "its bbox is not"),
    ({"geometry": {"type": "Point", "coordinates": [600_000, 5_300_000]}, "bbox": None}, "not in degrees"),
    ({"asset": {"href": "../../../etc/passwd"}}, "leads out of the folder"),
    ({"asset": {"href": "/etc/passwd"}}, "leads out of the folder"),
    ({"asset": {"href": "file:///etc/passwd"}}, "leads out of the folder"),
    ({"asset": {"href": "/vsicurl/http://127.0.0.1/x.tif"}}, "reached in no way"),
    ({"asset": {"href": "//\uff0f"}}, "is no address"), ({"asset": {"href": "//[::"}}, "is no address"),
    ({"asset": {"href": "gs://bucket/x.tif"}}, "reached in no way"), ({"asset": {"href": 5}}, "no href"),
]  # fmt: skip


@pytest.mark.parametrize(("replaced", "words"), BAD_ITEMS)
def test_an_item_that_cannot_be_is_refused_by_name(tmp_path, replaced, words):
    with pytest.raises(BadFileError, match=r"^item\.json: ") as caught:
        inspect_item(write(tmp_path, **dict(replaced)))
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"type": NaN}', b"\xff\xfe"])
def test_what_is_no_json_is_refused(tmp_path, content):
    (tmp_path / "item.json").write_bytes(content)
    with pytest.raises(BadFileError, match=r"^item\.json: it is no JSON"):
        inspect_item(tmp_path / "item.json")


def test_a_link_out_of_the_folder_is_followed_and_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.tif").write_bytes(b"II*\0")
    (tmp_path / "in" / "B04.tif").symlink_to(tmp_path / "out.tif")
    with pytest.raises(BadFileError, match="leads out of the folder"):
        inspect_item(write(tmp_path / "in"))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"file:size": 5}, "its item says 5 bytes"),
        ({"proj:shape": [9, 9]}, "rows and columns"),
        ({"proj:epsg": 32633}, "EPSG:32633"),
    ],
)
def test_an_item_that_speaks_of_another_file_is_found_out(store, claims, words):
    path = store / f"other-{len(words)}.json"
    path.write_text(json.dumps(item(asset=claims)))
    [asset] = inspect_item(path)[0].assets
    with pytest.raises(BadRasterError, match=words):
        inspect_asset(asset)
