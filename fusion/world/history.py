"""A city over the years: which buildings stand on a date, scenes of any dates, and the truth of change between two.

Buildings appear and stay (assumption: nothing is pulled down). A third of the built quarters grew over the last ten
years, the others were filled in here and there; where a new building will stand lies open ground of its lot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from fusion.world.ground import Ground, Window, draw_ground, draw_squares
from fusion.world.noise import FloatArray
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.optics import OpticalScene, render_sentinel2_on
from fusion.world.site import SUB
from fusion.world.world import City

GROWING_YEARS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """Truth of change between two dates: share of each pixel [y, x] that was built on, and where that is any."""

    share: FloatArray
    mask: npt.NDArray[np.bool_]


def find_moment(city: City, day: date, nulls: Nulls = NO_NULLS) -> float:
    """How far the city has grown on a day: 0 ten years before the year of its scenes, 1 from that year on.

    Where change is null, the city has always stood as it does.
    """
    if nulls.change:
        return 1.0
    first, last = date(city.first_year - GROWING_YEARS, 1, 1), date(city.first_year, 1, 1)
    return float(np.clip((day - first).days / (last - first).days, 0, 1))


def draw_ground_on(city: City, day: date, nulls: Nulls = NO_NULLS) -> Ground:
    """The ground as it was on a day."""
    return draw_ground(city, find_moment(city, day, nulls))


def render_dates(city: City, days: Sequence[date], nulls: Nulls = NO_NULLS) -> list[OpticalScene]:
    """One Sentinel-2 scene for each day, in the order given: the city grows, plants follow the year."""
    return [render_sentinel2_on(city, draw_ground_on(city, day, nulls), day, nulls) for day in days]


def find_change(city: City, first: date, second: date, window: Window | None = None, nulls: Nulls = NO_NULLS) -> Change:
    """What was built between two dates, in whichever order they are given; pixels of 10 m."""
    before, after = (draw_squares(city, window, moment=find_moment(city, day, nulls)).lot for day in (first, second))
    is_changed = before != after
    rows, columns = (length // SUB for length in is_changed.shape)
    share = is_changed.reshape(rows, SUB, columns, SUB).mean(axis=(1, 3), dtype=np.float32)
    return Change(share=share, mask=share > 0)
