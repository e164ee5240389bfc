"""Training areas: polygons that an expert drew and named with a class, as Local Climate Zone work exchanges them."""

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from pyproj import Geod
from shapely.geometry import Polygon

from fusion.errors import BadInputError
from fusion.scheme import Scheme

WGS84 = Geod(ellps="WGS84")
Coding = Literal["code", "1-17", "101-107"]
CODINGS: tuple[Coding, ...] = ("code", "1-17", "101-107")

# Marks that never delete an area; own choices, said in the report of each import. A Local Climate Zone is some hundred
# metres to kilometres across (Stewart and Oke 2012), and a long thin area is mostly border.
SMALLEST_M2 = 200.0**2
LARGEST_M2 = 10_000.0**2
LONGEST_SHAPE = 4.0  # perimeter over that of a circle of the same area; a square has 1.13, a strip of 1:30 has 4.5
FEWEST_PER_CLASS = 3
LETTERS = "ABCDEFG"
NAMED = re.compile(
    r"(?P<prefix>lcz[\s_\-.:]*)?(?P<sign>\d{1,3}|[a-g])(?P<rest>$|[\s_\-.:].*|[a-z]{1,2}$)", re.IGNORECASE | re.DOTALL
)
COUNTER = re.compile(r"[a-z]{1,2}|\d{1,4}")


@dataclass(frozen=True, kw_only=True)
class TrainingArea:
    """One polygon with its class. `polygon` is longitude and latitude in degrees (WGS 84); `folder` where it lay.

    `sample` is the key of the sample that an area of ours is, empty for areas that others drew.
    """

    code: str
    name: str
    folder: str
    polygon: Polygon
    sample: str = ""

    @property
    def area_m2(self) -> float:
        """Area on the ellipsoid, in square metres."""
        return abs(WGS84.geometry_area_perimeter(self.polygon)[0])

    @property
    def perimeter_m(self) -> float:
        """Length of the border on the ellipsoid, in metres."""
        return float(WGS84.geometry_area_perimeter(self.polygon)[1])

    @property
    def shape_index(self) -> float:
        """Perimeter over that of a circle of the same area: 1 for a circle, more for longer or rougher shapes."""
        return self.perimeter_m / (2 * math.sqrt(math.pi * self.area_m2))


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A feature that was not taken: where it lay, its name, and why."""

    folder: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.folder or 'no folder'} / {self.name or 'without name'}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class AreaFile:
    """What a file of training areas holds: the good ones, the rejected ones, and the marks by place in `areas`."""

    areas: tuple[TrainingArea, ...]
    rejected: tuple[Rejected, ...] = ()
    marks: dict[int, tuple[str, ...]] = field(default_factory=dict)


def read_code(text: str, scheme: Scheme, coding: Coding) -> str | None:
    """The class that a folder or a placemark names ("LCZ 6", "LCZ_A", "6c", "B Scattered trees", "104"), or None.

    Numbers above 10 mean nothing without a coding: 11-17 are A-G in LCZ Generator rasters ("1-17"), 101-107 in older
    WUDAPT files ("101-107"). Without the letters LCZ nothing may follow but a counter or the class's own name, so that
    a folder called "A city" is not taken for dense trees.
    """
    words = text.strip()
    if words in scheme:
        return words
    found = NAMED.match(words)
    if found is None:
        return None
    sign = found["sign"].upper()
    code = _read_number(int(sign), coding) if sign.isdigit() else sign
    if code not in scheme:
        return None
    rest = found["rest"].strip(" _-.:").lower()
    is_plain = not rest or bool(COUNTER.fullmatch(rest)) or rest.startswith(scheme.find(code).name.lower())
    return code if found["prefix"] or is_plain else None


def _read_number(number: int, coding: Coding) -> str:
    """A class code from a number; above 10 only the chosen coding says which letter it is."""
    if 1 <= number <= 10:
        return str(number)
    first = {"1-17": 11, "101-107": 101}.get(coding)
    if first is not None and first <= number < first + len(LETTERS):
        return LETTERS[number - first]
    return ""


def mark_areas(areas: tuple[TrainingArea, ...]) -> dict[int, tuple[str, ...]]:
    """What is unusual about each area, by its place: size, shape, few of its class. Nothing is left out for it."""
    per_class: dict[str, int] = {}
    for area in areas:
        per_class[area.code] = per_class.get(area.code, 0) + 1
    marks = {place: tuple(list_marks(area, per_class[area.code])) for place, area in enumerate(areas)}
    return {place: found for place, found in marks.items() if found}


def list_marks(area: TrainingArea, in_class: int | None = None) -> list[str]:
    """What is unusual about one area; without the number of its class, nothing is said of that."""
    found = []
    if area.area_m2 < SMALLEST_M2:
        found.append(f"small: {area.area_m2 / 1e4:.1f} ha, usual is {SMALLEST_M2 / 1e4:.0f} ha and more")
    if area.area_m2 > LARGEST_M2:
        found.append(f"large: {area.area_m2 / 1e6:.0f} km2, usual is below {LARGEST_M2 / 1e6:.0f} km2")
    if area.shape_index > LONGEST_SHAPE:
        found.append(f"thin: shape index {area.shape_index:.1f}, usual is below {LONGEST_SHAPE:g}")
    if in_class is not None and in_class < FEWEST_PER_CLASS:
        found.append(f"few: class {area.code} has {in_class}, {FEWEST_PER_CLASS} or more are usual")
    return found


def check_coding(coding: str) -> Coding:
    """The coding by its name, or BadInputError with the known ones."""
    for known in CODINGS:
        if coding == known:
            return known
    raise BadInputError(f"Coding {coding!r} is not known; choose one of {', '.join(CODINGS)}.")
