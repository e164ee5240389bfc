"""On row D1: of photos pixels are kept, metadata are read and left behind, and what is no photo is refused by name."""

import io
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as forall
from hypothesis import strategies as st
from PIL import ExifTags, Image

from fusion.errors import BadPhotoError
from fusion.sources.photos import read_photo
from fusion.sources.photos.reading import PhotoLimits
from tests.fusion.sources.telling_photos import SECRET, exif_of, make_twenty, picture, segments_of, write


def test_of_twenty_photos_no_byte_of_metadata_is_kept(tmp_path):
    paths = make_twenty(tmp_path)
    assert len(paths) == 20
    for path in paths:
        assert SECRET.encode() in path.read_bytes(), "the test must plant what it looks for"
        photo = read_photo(path)
        # Only JFIF, tables and frame: no APP1 (EXIF, XMP), APP2 (MPO, colour profile), APP13 (IPTC), no comment.
        assert segments_of(photo.jpeg) <= {0xE0, 0xDB, 0xC0, 0xC2, 0xC4}, path.name
        for trace in (SECRET.encode(), b"Exif", b"xmpmeta", b"8BIM", b"MPF", b"ICC_PROFILE"):
            assert trace not in photo.jpeg, path.name
        kept = Image.open(io.BytesIO(photo.jpeg))
        assert not kept.getexif()
        assert set(kept.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert kept.format == "JPEG"
        assert (photo.latitude, photo.longitude) == pytest.approx((48 + 8 / 60 + 30 / 3600, 11 + 34 / 60 + 12 / 3600))


def test_place_heading_view_and_time_are_read(tmp_path):
    gps = {7: (10.0, 20.0, 30.0), 29: "2026:05:01"}
    photo = read_photo(write(tmp_path, "a.jpg", exif=exif_of(gps=gps)))
    assert photo.heading_deg == 271.5
    assert photo.field_of_view_deg == pytest.approx(65.47, abs=0.01)  # 2 atan(18 / 28)
    assert photo.captured_at == datetime(2026, 5, 1, 10, 20, 30, tzinfo=UTC)
    assert photo.notes == ()


def test_south_and_west_are_below_zero(tmp_path):
    photo = read_photo(write(tmp_path, "a.jpg", exif=exif_of(gps={1: "S", 3: "W"})))
    assert photo.latitude < -48
    assert photo.longitude < -11


def test_time_without_a_zone_is_taken_as_utc_and_says_so(tmp_path):
    shot = {ExifTags.Base.DateTimeOriginal: "2026:05:01 10:00:00"}
    photo = read_photo(write(tmp_path, "a.jpg", exif=exif_of(shot=shot)))
    assert photo.captured_at == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert "time without a zone, taken as UTC" in photo.notes
    zoned = shot | {ExifTags.Base.OffsetTimeOriginal: "+02:00"}
    assert read_photo(write(tmp_path, "b.jpg", exif=exif_of(shot=zoned))).captured_at.astimezone(UTC).hour == 8


@pytest.mark.parametrize(
    "gps",
    [
        {2: (95.0, 0.0, 0.0)}, {4: (200.0, 0.0, 0.0)}, {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},
        {17: 7_000.0, 2: (99.0, 0.0, 0.0)},
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_is_left_out_and_named(tmp_path, gps):
    photo = read_photo(write(tmp_path, "a.jpg", exif=exif_of(gps=gps)))
    assert photo.longitude is photo.latitude is None
    assert any("position" in note for note in photo.notes)


def test_a_photo_without_exif_has_no_place(tmp_path):
    photo = read_photo(write(tmp_path, "a.png"))
    assert (photo.longitude, photo.heading_deg, photo.captured_at) == (None, None, None)
    assert photo.notes == ("no position", "no heading")


def test_a_photo_held_upright_is_turned_upright(tmp_path):
    exif = exif_of(base={ExifTags.Base.Orientation: 6})
    photo = read_photo(write(tmp_path, "a.jpg", exif=exif))
    assert (photo.width, photo.height) == (240, 320)
    assert photo.field_of_view_deg == pytest.approx(46.4, abs=0.1)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "CMYK", "LA"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode):
    image = Image.fromarray(np.full((80, 80), 40_000, np.uint16)) if mode == "I;16" else picture(80, 80).convert(mode)
    photo = read_photo(write(tmp_path, "a.jpg" if mode == "CMYK" else "a.png", image))
    kept = Image.open(io.BytesIO(photo.jpeg))
    assert kept.mode == "RGB"
    assert mode != "I;16" or abs(kept.getpixel((40, 40))[0] - 156) <= 2


def test_a_large_photo_is_brought_to_the_size_of_a_screen(tmp_path):
    photo = read_photo(write(tmp_path, "a.jpg", picture(3_000, 1_000)))
    assert photo.width == 2_048
    assert Image.open(io.BytesIO(photo.jpeg)).size == (photo.width, photo.height)


def write_png_bomb(path: Path, side: int) -> None:
    """A small PNG whose header claims side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    write_png_bomb(tmp_path / "bomb.png", side)
    with pytest.raises(BadPhotoError, match=r"bomb\.png claims"):
        read_photo(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.jpg", b"this is no photo"),
        ("page.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("empty.jpg", b""),
        ("script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n"),
        ("gif.jpg", b"GIF89a" + b"\0" * 100),
    ],
)
def test_what_is_no_photo_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadPhotoError, match=f"{name} is not a JPEG, PNG or WebP"):
        read_photo(tmp_path / name)


def test_half_a_photo_and_one_that_is_not_there_are_refused(tmp_path):
    whole = write(tmp_path, "half.jpg", exif=exif_of()).read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadPhotoError, match=r"half\.jpg is broken"):
        read_photo(tmp_path / "half.jpg")
    with pytest.raises(BadPhotoError, match=r"gone\.jpg cannot be read"):
        read_photo(tmp_path / "gone.jpg")


def test_a_stamp_and_a_file_that_is_too_large_are_refused(tmp_path):
    with pytest.raises(BadPhotoError, match="a photo needs 64"):
        read_photo(write(tmp_path, "stamp.png", picture(20, 20)))
    with pytest.raises(BadPhotoError, match="larger than"):
        read_photo(write(tmp_path, "big.png"), PhotoLimits(file_bytes=100))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@forall(st.binary(min_size=1, max_size=40), st.integers(20, 1_000))
def test_a_damaged_photo_is_read_or_refused_and_never_breaks(tmp_path, noise, place):
    content = bytearray(write(tmp_path, "a.jpg", picture(64, 64), exif=exif_of()).read_bytes())
    content[place : place + len(noise)] = noise
    (tmp_path / "b.jpg").write_bytes(content)
    try:
        photo = read_photo(tmp_path / "b.jpg")
    except BadPhotoError:
        return
    assert photo.latitude is None or -90 <= photo.latitude <= 90


def test_real_photos_keep_their_place_and_lose_their_maker(real_data):
    for number in (1, 2, 3):
        path = real_data / "street-photos" / f"berlin_0{number}.jpg"
        photo = read_photo(path)
        assert b"iPhone" in path.read_bytes()
        assert b"iPhone" not in photo.jpeg
        assert (photo.latitude, photo.longitude) == pytest.approx((52.519, 13.4003), abs=1e-3)
        assert 50 < photo.heading_deg < 65
        assert photo.field_of_view_deg == pytest.approx(54.4, abs=0.1)
        assert max(photo.width, photo.height) == 2_048
