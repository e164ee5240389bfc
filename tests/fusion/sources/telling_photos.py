"""Twenty photos that say who took them, where and with what, in every way that the formats have."""

import struct
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

SECRET = "SN-4711-Ann-Example"
XMP = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><owner>{SECRET}</owner></x:xmpmeta>".encode()


def picture(width: int = 320, height: int = 240) -> Image.Image:
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    return Image.fromarray(ramp)


def exif_of(**tags) -> Image.Exif:
    """Position 48° 8' 30" N, 11° 34' 12" E unless told otherwise, a serial number, and a thumbnail's directory."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Maker", SECRET, 1
    exif[ExifTags.Base.ImageDescription] = SECRET
    gps = {1: "N", 2: (48.0, 8.0, 30.0), 3: "E", 4: (11.0, 34.0, 12.0), 16: "T", 17: 271.5}
    shot = {ExifTags.Base.BodySerialNumber: SECRET, ExifTags.Base.FocalLengthIn35mmFilm: 28}
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps | tags.get("gps", {}))
    exif.get_ifd(ExifTags.IFD.Exif).update(shot | tags.get("shot", {}))
    for key, value in tags.get("base", {}).items():
        exif[key] = value
    return exif


def write(folder: Path, name: str, image: Image.Image | None = None, **options) -> Path:
    path = folder / name
    (image or picture()).save(path, **options)
    return path


def insert_iptc(path: Path) -> None:
    """An APP13 block as photo editors write it, with an IPTC byline."""
    line = b"\x1c\x02\x50" + struct.pack(">H", len(SECRET)) + SECRET.encode()
    line += b"\0" * (len(line) % 2)
    block = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(line)) + line
    old = path.read_bytes()
    path.write_bytes(old[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + old[2:])


def make_twenty(folder: Path) -> list[Path]:
    """Twenty photos that say who took them, in every way that the formats have."""
    paths = [
        write(folder, f"exif-{n}.jpg", picture(320 + n), exif=exif_of(), xmp=XMP, comment=SECRET) for n in range(6)
    ]
    paths += [write(folder, f"iptc-{n}.jpg", picture(330 + n), exif=exif_of()) for n in range(4)]
    for path in paths[6:]:
        insert_iptc(path)
    paths += [
        write(
            folder,
            f"many-{n}.jpg",
            picture(340 + n),
            format="MPO",
            save_all=True,
            append_images=[picture()],
            exif=exif_of(),
        )
        for n in range(4)
    ]
    paths += [write(folder, f"web-{n}.webp", picture(350 + n), exif=exif_of().tobytes(), xmp=XMP) for n in range(3)]
    paths += [write(folder, f"net-{n}.png", picture(360 + n), exif=exif_of()) for n in range(3)]
    return paths


def segments_of(jpeg: bytes) -> set[int]:
    """Markers before the pixels of a JPEG."""
    found, place = set(), 2
    while jpeg[place + 1] != 0xDA:
        found.add(jpeg[place + 1])
        place += 2 + struct.unpack(">H", jpeg[place + 2 : place + 4])[0]
    return found
