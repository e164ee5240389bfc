"""A city grows: buildings appear, the truth of change says where, and scenes show it."""

import itertools
from datetime import date, timedelta

import numpy as np
import pytest

from fusion.world.ground import draw_ground, draw_squares
from fusion.world.history import draw_ground_on, find_change, find_moment, render_dates
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.plan import plan_world
from fusion.world.world import City
from tests.fusion.world.chance import area_under_curve


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=4).cities[0]


@pytest.fixture(scope="module")
def days(city: City) -> list[date]:
    return [date(city.first_year - back, 7, 1) for back in (10, 6, 3, 0)]


def test_buildings_appear_and_none_goes(city: City, days: list[date]) -> None:
    lots = [draw_squares(city, moment=find_moment(city, day)).lot for day in days]
    shares = [float((lot > 0).mean()) for lot in lots]
    assert shares == sorted(shares)
    assert shares[-1] > 1.1 * shares[0] > 0
    for before, after in itertools.pairwise(lots):
        assert (after[before > 0] == before[before > 0]).all()


def test_the_grown_city_is_the_city(city: City, days: list[date]) -> None:
    today, grown = draw_ground(city), draw_ground_on(city, days[-1])
    assert (today.cover == grown.cover).all()
    assert (today.height_m == grown.height_m).all()


def test_the_truth_of_change_is_where_the_ground_differs(city: City, days: list[date]) -> None:
    before, after = draw_ground_on(city, days[0]), draw_ground_on(city, days[-1])
    change = find_change(city, days[0], days[-1])
    differs = (before.cover != after.cover).any(axis=-1) | (before.tone != after.tone)
    assert not (differs & ~change.mask).any()
    assert differs[change.mask].mean() > 0.99
    assert 0.02 < change.mask.mean() < 0.5
    assert (change.share > 0).sum() == change.mask.sum()


def test_change_adds_up_and_does_not_ask_for_order(city: City, days: list[date]) -> None:
    first, second, whole = (find_change(city, *pair) for pair in ((days[0], days[1]), (days[1], days[3]), days[::3]))
    assert (whole.mask == (first.mask | second.mask)).all()
    assert (find_change(city, days[3], days[0]).mask == whole.mask).all()
    assert not find_change(city, days[1], days[1]).mask.any()


def test_scenes_tell_change_and_without_change_they_do_not(city: City, days: list[date]) -> None:
    mask = find_change(city, days[0], days[-1]).mask
    others = ~mask & (city.truth < 10)

    def find_area(nulls: Nulls) -> float:
        # The same day of the year, so that plants and sun are alike; haze of the two days differs in both worlds.
        old, new = (
            scene.numbers.astype(float) + scene.offset for scene in render_dates(city, [days[0], days[-1]], nulls)
        )
        score = np.abs(np.log((new[2] + 300) / (old[2] + 300)))
        return area_under_curve(score[mask], score[others])

    assert find_area(NO_NULLS) > find_area(Nulls(change=True)) + 0.2


def test_without_change_the_ground_of_all_dates_is_one(city: City, days: list[date]) -> None:
    nulls = Nulls(change=True)
    mask = find_change(city, days[0], days[-1]).mask

    def find_area(nulls: Nulls) -> float:
        old, new = (draw_ground_on(city, day, nulls).cover for day in (days[0], days[-1]))
        score = np.abs(new - old).sum(axis=-1)
        return area_under_curve(score[mask], score[~mask])

    assert find_area(NO_NULLS) > 0.9
    assert find_area(nulls) == 0.5
    assert not find_change(city, days[0], days[-1], nulls=nulls).mask.any()


def test_a_scene_of_any_day_follows_the_year(city: City) -> None:
    year = city.first_year + 1
    spring, summer = date(year, 1, 24), date(year, 7, 12)
    days = [spring, spring + timedelta(days=1), summer]
    near, next_day, far = (scene.numbers[6].astype(float) + scene.offset for scene in render_dates(city, days))
    plants = np.isin(city.truth, (10, 11, 13))
    assert np.abs(near - far)[plants].mean() > 1.5 * np.abs(near - next_day)[plants].mean()
