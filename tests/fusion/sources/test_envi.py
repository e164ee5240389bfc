"""ENVI: what the header claims is held against the raw file; every interleave gives the same numbers."""

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.errors import BadFileError
from fusion.sources import geotiff
from fusion.sources.envi import inspect_envi, read_bands, write_as_cog

HEADER = {
    "samples": "5", "lines": "4", "bands": "3", "header offset": "0", "data type": "12", "interleave": "bsq",
    "byte order": "0", "wavelength units": "Micrometers", "wavelength": "{0.45, 0.55, 0.66}",
    "band names": "{blue (1, a), green, red}",
    "map info": "{UTM, 1, 1, 600000, 5300000, 10, 10, 32, North, WGS-84, units=Meters}",
}  # fmt: skip
CUBE = np.arange(60, dtype=np.uint16).reshape(3, 4, 5) + 100
ORDERS = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}


def write(folder, cube=CUBE, name="scene", **fields):
    held = HEADER | fields
    cube = cube.transpose(ORDERS[held["interleave"]])
    raw = cube.astype(cube.dtype.newbyteorder(">" if held["byte order"] == "1" else "<")).tobytes()
    (folder / f"{name}.img").write_bytes(b"\0" * int(held["header offset"]) + raw)
    path = folder / f"{name}.hdr"
    path.write_text("ENVI\n" + "".join(f"{key} = {value}\n" for key, value in held.items() if value))
    return path


@pytest.mark.parametrize("interleave", ORDERS)
@pytest.mark.parametrize("order", ["0", "1"])
def test_every_interleave_and_byte_order_gives_the_same_numbers(tmp_path, interleave, order):
    path = write(tmp_path, interleave=interleave, **{"byte order": order, "header offset": "7"})
    values, valid = read_bands(path)
    assert values.dtype == np.uint16
    assert np.array_equal(values, CUBE)
    assert valid.all()
    part, _ = read_bands(path.with_suffix(".img"), ["red"], window=(1, 2, 3, 2))
    assert np.array_equal(part, CUBE[2:, 2:4, 1:4])


def test_what_the_header_says_is_taken(tmp_path):
    [info] = inspect_envi(write(tmp_path, **{"data ignore value": "100", "bbl": "{1, 0, 1}"}))
    assert (info.dims, info.shape, info.dtype) == (("band", "y", "x"), (3, 4, 5), "uint16")
    assert info.wavelengths_nm == (450.0, 550.0, 660.0)
    assert info.bands == ("blue (1, a)", "green", "red")
    assert info.bad_bands == ("green",)
    assert (info.epsg, info.transform) == (32632, (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_000.0))
    assert (info.value_range, info.nodata) == ((101.0, 159.0), 100.0)
    assert info.invalid_share == pytest.approx(1 / 60)
    assert len(info.sha256) == 64
    assert not read_bands(info.path)[1][0, 0]


def test_a_unit_that_is_not_stated_is_said_to_be_guessed(tmp_path):
    [info] = inspect_envi(write(tmp_path, **{"wavelength units": "Unknown"}))
    assert info.wavelengths_nm[0] == 450.0
    assert "Unit of wavelengths not stated, taken as micrometres" in info.notes


BAD = [
    ({"bands": "4"}, "4 bands and 3 band names"),
    ({"bands": "4", "band names": "", "wavelength": ""}, "claims 160 bytes of pixels"),
    ({"samples": "999999999999"}, "samples = '999999999999'"),
    ({"lines": "-4"}, "lines = '-4'"),
    ({"bands": "1e9"}, "bands = '1e9'"),
    ({"data type": "7"}, "data type 7"),
    ({"interleave": "bsq; rm"}, "interleave"),
    ({"wavelength": "{0.4, 0.5}"}, "3 bands and 2 wavelengths"),
    ({"wavelength": "{0.4, nan, 0.6}"}, "wavelengths, or one that cannot be"),
    ({"wavelength units": "furlongs"}, "furlongs"),
    ({"map info": "{Geographic Lat/Lon, 1, 1, 48, 111, 0.1, 0.1, WGS-84}"}, "no places on Earth in EPSG:4326"),
    ({"map info": "{UTM, 1, 1, 600000, 5300000, 0, 10, 32, North, WGS-84}"}, "pixel size"),
    ({"map info": "{UTM, 1, 1, 600000, 5300000, 10, 10, 32, North, WGS-84, rotation=30}"}, "rotated"),
    ({"map info": "{Arbitrary, 1, 1, 0, 0, 1, 1}"}, "no EPSG code"),
    ({"file compression": "1"}, "compressed"),
    ({"reflectance scale factor": "0"}, "scale factor"),
    ({"data ignore value": "none"}, "no number"),
]


@pytest.mark.parametrize(("fields", "words"), BAD)
def test_a_header_that_cannot_be_is_refused_by_name(tmp_path, fields, words):
    plain = {key: value for key, value in fields.items() if key != "interleave"}
    path = write(tmp_path, **plain)
    if "interleave" in fields:
        path.write_text(path.read_text().replace("= bsq", f"= {fields['interleave']}"))
    with pytest.raises(BadFileError, match=r"scene\.hdr: ") as caught:
        inspect_envi(path)
    assert words in str(caught.value)


def test_a_cut_file_is_refused_and_a_longer_one_is_flagged(tmp_path):
    path = write(tmp_path)
    raw = path.with_suffix(".img")
    whole = raw.read_bytes()
    for size in range(0, len(whole), 7):
        raw.write_bytes(whole[:size])
        with pytest.raises(BadFileError, match="fetch it again"):
            read_bands(path)
    raw.write_bytes(whole + b"more")
    assert "4 bytes after the pixels are not read" in inspect_envi(path)[0].notes


def test_a_header_or_raw_file_alone_is_refused_with_what_is_missing(tmp_path):
    path = write(tmp_path)
    path.with_suffix(".img").rename(tmp_path / "else.bin")
    with pytest.raises(BadFileError, match=r"scene\.hdr: no raw file lies beside it"):
        inspect_envi(path)
    with pytest.raises(BadFileError, match=r"else\.bin: no ENVI header"):
        inspect_envi(tmp_path / "else.bin")
    (tmp_path / "odd.hdr").write_bytes(b"ENVI\0\0")
    (tmp_path / "odd.img").write_bytes(b"0")
    with pytest.raises(BadFileError, match="does not begin with the word ENVI"):
        inspect_envi(tmp_path / "odd.hdr")


def test_nothing_valid_at_all_is_refused(tmp_path):
    with pytest.raises(BadFileError, match="not one value of it is valid"):
        inspect_envi(write(tmp_path, np.full((3, 4, 5), np.nan, np.float32), **{"data type": "4"}))


def test_a_cube_written_as_a_cog_keeps_numbers_place_and_wavelengths(tmp_path):
    path = write(tmp_path, interleave="bip", **{"data type": "2", "data ignore value": "-5"})
    write_as_cog(path, tmp_path / "cube.tif", ["b001", "b002", "b003"])
    [info] = geotiff.inspect([tmp_path / "cube.tif"], modalities.find("hyperspectral"), offset=0)
    assert info.used == ("b001", "b002", "b003")
    assert info.wavelengths_nm == (450.0, 550.0, 660.0)
    assert (info.nodata, info.epsg) == (-5.0, 32632)
    values, _ = geotiff.read_window(info)
    assert np.array_equal(values, CUBE)
    with pytest.raises(BadFileError, match="it has 3 bands, 1 names"):
        write_as_cog(path, tmp_path / "other.tif", ["a"])
    assert not (tmp_path / "other.tif").exists()
