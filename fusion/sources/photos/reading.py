"""A photo from a file: checked from its header, decoded once, and written anew without a byte of metadata."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fusion.errors import BadPhotoError
from fusion.source import Photo
from fusion.sources.photos.exif import read_facts

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FORMATS = ("JPEG", "PNG", "WEBP")
QUALITY = 88


@dataclass(frozen=True, kw_only=True)
class PhotoLimits:
    """The largest photo that is decoded, checked before it is: a telephone's has 1.2e7 to 1e8 pixels.

    The stored copy has at most `kept_side` pixels along its longer side: more does not fit a screen.
    """

    file_bytes: int = 64 * 2**20
    pixels: int = 120_000_000
    side: int = 20_000
    least_side: int = 64
    kept_side: int = 2_048


def read_photo(path: Path, limits: PhotoLimits | None = None) -> Photo:
    """The photo upright, as a JPEG of pixels alone, with what its EXIF says of place, heading and time."""
    allowed = limits or PhotoLimits()
    content = _read_bytes(path, allowed)
    with warnings.catch_warnings():
        # Pillow warns of what is checked here, and of broken EXIF, which is then not read.
        warnings.simplefilter("ignore")
        image = _open(path, content)
        _check_size(path, image, allowed)
        facts = read_facts(_read_exif(path, image))
        pixels = _decode(path, image, allowed)
    return Photo(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        jpeg=_encode(pixels),
        width=pixels.width,
        height=pixels.height,
        longitude=facts.longitude,
        latitude=facts.latitude,
        heading_deg=facts.heading_deg,
        field_of_view_deg=facts.field_of_view_deg,
        captured_at=facts.captured_at,
        is_simulated=facts.is_simulated,
        notes=facts.notes,
    )


def _read_bytes(path: Path, allowed: PhotoLimits) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(allowed.file_bytes + 1)
    except OSError as error:
        raise BadPhotoError(f"{path.name} cannot be read: {error.strerror}. Check the path and its rights.") from error
    if len(content) > allowed.file_bytes:
        raise BadPhotoError(f"{path.name} is larger than {allowed.file_bytes // 2**20} MiB. Save it smaller.")
    return content


def _open(path: Path, content: bytes) -> Image.Image:
    """Only the three named decoders look at the bytes, whatever the file is called."""
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise BadPhotoError(f"{path.name} is not a JPEG, PNG or WebP. Convert it to one of them first.") from error
    except Image.DecompressionBombError as error:
        raise BadPhotoError(f"{path.name} claims more pixels than any photo has. It is not opened.") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise _broken(path, error) from error


def _check_size(path: Path, image: Image.Image, allowed: PhotoLimits) -> None:
    width, height = image.size
    if width * height > allowed.pixels or max(width, height) > allowed.side:
        raise BadPhotoError(
            f"{path.name} claims {width} x {height} pixels; at most {allowed.pixels} pixels and {allowed.side} along "
            "a side are opened. Save it smaller."
        )
    if min(width, height) < allowed.least_side:
        raise BadPhotoError(f"{path.name} has {width} x {height} pixels; a photo needs {allowed.least_side} each way.")


def _read_exif(path: Path, image: Image.Image) -> Image.Exif:
    """What stands in EXIF; of a PNG, where it may stand behind the pixels, these are decoded for it."""
    try:
        return image.getexif()
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise _broken(path, error) from error


def _decode(path: Path, image: Image.Image, allowed: PhotoLimits) -> Image.Image:
    """Upright RGB pixels in an image that has never held metadata."""
    try:
        image.draft("RGB", (allowed.kept_side, allowed.kept_side))  # JPEG decodes to a half or a quarter in one go
        image.load()
        upright = ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise _broken(path, error) from error
    colours = _flatten(upright)
    colours.thumbnail((allowed.kept_side, allowed.kept_side), Image.Resampling.LANCZOS)
    return Image.frombytes("RGB", colours.size, colours.tobytes())


def _flatten(image: Image.Image) -> Image.Image:
    """Clear parts become white; 16-bit grey is brought to eight bits."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        ground = Image.new("RGBA", clear.size, "white")
        ground.alpha_composite(clear)
        return ground.convert("RGB")
    return image.convert("RGB")


def _encode(pixels: Image.Image) -> bytes:
    target = io.BytesIO()
    pixels.save(target, "JPEG", quality=QUALITY, optimize=True)
    return target.getvalue()


def _broken(path: Path, error: Exception) -> BadPhotoError:
    return BadPhotoError(f"{path.name} is broken and cannot be decoded ({type(error).__name__}). Save it anew.")
