"""A sample of each of the 43 formats that Pillow opens: written by it, or begun as the format's own programs do."""

import io
import struct
import warnings

import numpy as np
from PIL import Image

TAKEN = {"JPEG", "PNG", "WEBP"}
MODES = {"XBM": "1", "MSP": "1", "PALM": "P", "SPIDER": "F", "BLP": "P", "FITS": "L", "QOI": "RGB"}


def write_all() -> dict[str, bytes]:
    """Content by format; what Pillow does not write is made by hand."""
    Image.init()
    made = {name: content for name in sorted(Image.SAVE) if (content := _write(name)) is not None}
    return made | {name: content for name, content in HEADS.items() if name not in made}


def _write(name: str) -> bytes | None:
    """The format as Pillow writes it; None of those for which it only holds a place."""
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Image.fromarray(ramp).convert(MODES.get(name, "RGB")).save(target, name)
        except (OSError, ValueError, KeyError, NotImplementedError):
            return None
    return target.getvalue()


def _fits() -> bytes:
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2",
             "NAXIS1  =                   64", "NAXIS2  =                   64", "END"]  # fmt: skip
    return "".join(card.ljust(80) for card in cards).ljust(2_880).encode() + b"\0" * 4_096


# as each format's own description begins a picture of 64 x 64 pixels
HEADS = {
    "FITS": _fits(),
    "PSD": b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 64, 64, 8, 3) + b"\0" * 12 + b"\0\0" + b"\0" * 12_288,
    "SUN": struct.pack(">8I", 0x59A66A95, 64, 64, 24, 12_288, 1, 0, 0) + b"\0" * 12_288,
    "PIXAR": (b"\200\350\0\0" + b"\0" * 412 + struct.pack("<HH", 64, 64) + b"\0" * 4 + struct.pack("<HH", 14, 2)).ljust(
        1_024, b"\0"
    )
    + b"\0" * 12_288,
    "MCIDAS": struct.pack(">64i", 0, 4, *[0] * 6, 64, 64, 1, 0, 0, 1, *[0] * 50) + b"\0" * 8_192,
    "FLI": struct.pack("<IHHHHHHI", 128, 0xAF12, 1, 64, 64, 8, 3, 50).ljust(128, b"\0") + struct.pack("<IH", 6, 0xF1FA),
    "CUR": b"\0\0\2\0"
    + struct.pack("<H", 1)
    + struct.pack("<4B2H2I", 16, 16, 0, 0, 0, 0, 1_128, 22)
    + struct.pack("<3I2H6I", 40, 16, 32, 1, 24, 0, 768, 0, 0, 0, 0)
    + b"\0" * 1_024,
    "DCX": struct.pack("<3I", 987654321, 12, 0),
    "FTEX": b"FTEX" + struct.pack("<5I", 0, 64, 64, 1, 1) + struct.pack("<3I", 1, 32, 0) + b"\0" * 12_288,
    "GBR": struct.pack(">5I", 21, 1, 64, 64, 1) + b"x" + b"\0" * 4_096,
    "IPTC": b"\x1c\x03\x3c\x00\x02\x01\x01"
    + b"\x1c\x03\x14\x00\x02\x00\x40"
    + b"\x1c\x03\x1e\x00\x02\x00\x40"
    + b"\x1c\x03\x78\x00\x01\x01"
    + b"\x1c\x08\x0a\x80\x04"
    + struct.pack(">I", 64)
    + b"\0" * 64,
    "MPEG": b"\0\0\1\xb3" + bytes([0x04, 0x00, 0x40, 0x11]) + b"\0" * 64,
    "PCD": b"\xff" * 2_048 + b"PCD_" + b"\0" * 200_000,
    "XPM": b'/* XPM */\nstatic char *x[] = {\n"2 2 2 1",\n"a c #000000",\n"b c #ffffff",\n"ab",\n"ba"\n};\n',
    "XVTHUMB": b"P7 332\n#XVVERSION\n#END_OF_COMMENTS\n64 64 255\n" + b"\0" * 4_096,
    "GRIB": b"GRIB\0\0\0\1" + b"\0" * 64,
    "BUFR": b"BUFR\0\0\0\4" + b"\0" * 64,
    "HDF5": b"\x89HDF\r\n\x1a\n" + b"\0" * 64,
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<4hHI", 0, 0, 64, 64, 72, 0) + b"\0\0\1\0\x09\0" + b"\0" * 64,
    "IMT": b"some text\n*width 64\n*height 64\n*pixel n8\n\x0c" + b"\0" * 4_096,
    "IM": b"Image type: L image\r\nImage size (x*y): 64*64\r\n".ljust(511, b"\0") + b"\x1a" + b"\0" * 4_096,
    "MSP": b"DanM" + struct.pack("<12H", 64, 64, 1, 1, 1, 1, 64, 64, 0, 0, 0, 0) + b"\0" * 1_024,
}
