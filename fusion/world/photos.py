"""Street photos of a made-up city: drawn fronts as JPEG files whose EXIF says where the camera stood and looked."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from pyproj import Transformer

from fusion.world.facades import FRONTS, Box, draw_front
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.world import PIXEL_M, City

SOFTWARE = "Geoquorum made-up world"  # read by fusion.sources.photos.exif: such photos are marked as simulated
FOCAL_MM = 26  # of a telephone's camera, in terms of 35 mm film
# Zones (indices of lcz17) where such a building may stand. Assumptions, after the zones' definitions.
ZONES = {
    "apartment": (1, 3, 4),
    "house": (2, 5, 8),
    "garage": (2, 4, 5),
    "retail": (1, 2, 7),
    "office_building": (0, 1, 3),
    "industrial": (7, 9),
    "church": (1, 2, 4, 5),
    "roof": (4, 5, 7),
}


@dataclass(frozen=True, kw_only=True)
class StreetPhoto:
    """One photo on disk and the truth of it: the building's class of building_use and its box (fractions).

    In a world where photos are null the box is that of the front that is drawn, whatever the class.
    """

    path: Path
    code: str
    box: Box
    longitude: float
    latitude: float
    heading_deg: float


def render_photos(city: City, folder: Path, *, count: int, seed: int = 0, nulls: Nulls = NO_NULLS) -> list[StreetPhoto]:
    """`count` photos, the classes in turn; the same city and seed give the same files. Existing files are replaced.

    Where photos are null, the front of a class drawn by chance stands in each; place, heading and time stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    to_degrees = Transformer.from_crs(city.epsg, 4326, always_xy=True)
    made = []
    for number in range(count):
        rng = np.random.default_rng([city.seed, seed, 7, number])
        code = list(FRONTS)[number % len(FRONTS)]
        column, row = draw_place(city, rng, ZONES[code])
        x, y = city.origin[0] + column * PIXEL_M, city.origin[1] - row * PIXEL_M
        longitude, latitude = (round(float(part), 6) for part in to_degrees.transform(x, y))
        heading = round(float(rng.uniform(0, 360)), 1)
        image, box = draw_front(code, rng)
        if nulls.photos:
            other = np.random.default_rng([city.seed, seed, 7, number, 1])
            image, box = draw_front(list(FRONTS)[int(other.integers(len(FRONTS)))], other)
        path = folder / f"{city.slug}-{seed}-{number:04d}.jpg"
        taken = datetime(city.first_year, 6, 1, 9) + timedelta(minutes=int(rng.integers(0, 90 * 24 * 60)))
        image.save(path, quality=86, exif=_make_exif(longitude, latitude, heading, taken))
        made.append(
            StreetPhoto(path=path, code=code, box=box, longitude=longitude, latitude=latitude, heading_deg=heading)
        )
    return made


def draw_place(city: City, rng: np.random.Generator, zones: tuple[int, ...]) -> tuple[float, float]:
    """Column and row (pixels, with their fractions) of a place in one of these zones, else in any built one."""
    margin = 8  # pixels from the edge, so that the camera stands in a whole cell
    inner = city.truth[margin:-margin, margin:-margin]
    rows, columns = np.nonzero(np.isin(inner, zones))
    if not len(rows):
        rows, columns = np.nonzero(inner < 10)
    if not len(rows):
        rows, columns = np.nonzero(inner >= 0)
    place = int(rng.integers(len(rows)))
    return float(columns[place] + margin + rng.random()), float(rows[place] + margin + rng.random())


def _make_exif(longitude: float, latitude: float, heading: float, taken: datetime) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = SOFTWARE
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: f"{taken:%Y:%m:%d %H:%M:%S}",
            ExifTags.Base.OffsetTimeOriginal: "+00:00",
            ExifTags.Base.FocalLengthIn35mmFilm: FOCAL_MM,
        }
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N" if latitude >= 0 else "S",
            ExifTags.GPS.GPSLatitude: _to_parts(abs(latitude)),
            ExifTags.GPS.GPSLongitudeRef: "E" if longitude >= 0 else "W",
            ExifTags.GPS.GPSLongitude: _to_parts(abs(longitude)),
            ExifTags.GPS.GPSImgDirectionRef: "T",
            ExifTags.GPS.GPSImgDirection: heading,
        }
    )
    return exif


def _to_parts(degrees: float) -> tuple[float, float, float]:
    """Degrees, minutes, seconds to a hundredth (0.3 m)."""
    whole, minutes = int(degrees), int(degrees % 1 * 60)
    return float(whole), float(minutes), round((degrees - whole - minutes / 60) * 3600, 2)
