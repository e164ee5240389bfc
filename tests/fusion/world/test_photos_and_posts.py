"""Made-up photos and posts: the same seed gives the same files, the truth is known, and ordinary readers read them."""

import pytest

from fusion import scheme
from fusion.sources.photos import read_photo
from fusion.sources.posts import read_posts
from fusion.world.facades import FRONTS
from fusion.world.photos import ZONES, render_photos
from fusion.world.plan import plan_world
from fusion.world.posts import FUNCTIONS, WORDS, write_posts
from fusion.world.world import PIXEL_M


@pytest.fixture(scope="module")
def city():
    return plan_world(3, cities=1, cells=4).cities[0]


def test_every_class_is_drawn_and_has_a_zone(city):
    assert set(FRONTS) == set(ZONES) == set(scheme.find("building_use").codes)
    assert set(FUNCTIONS) == set(WORDS) == set(scheme.find("post_building_function").codes)


def test_a_photo_says_where_it_was_taken_and_that_it_is_made_up(city, tmp_path):
    (made, *_rest) = render_photos(city, tmp_path, count=8)
    photo = read_photo(made.path)
    assert (photo.longitude, photo.latitude) == pytest.approx((made.longitude, made.latitude), abs=1e-5)
    assert photo.heading_deg == made.heading_deg
    assert photo.is_simulated
    assert photo.notes == ()
    x0, y0, x1, y1 = made.box
    assert 0 <= x0 < x1 <= 1
    assert 0 <= y0 < y1 <= 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_photos_and_another_gives_others(city, tmp_path):
    files = [render_photos(city, tmp_path / str(turn), count=8, seed=seed) for turn, seed in enumerate((1, 1, 2))]
    first, again, other = ([photo.path.read_bytes() for photo in photos] for photos in files)
    assert first == again
    assert not set(first) & set(other)
    assert sorted(photo.code for photo in files[0]) == sorted(FRONTS)


@pytest.mark.slow
def test_places_lie_inside_the_city(city, tmp_path):
    from pyproj import Transformer

    to_metres = Transformer.from_crs(4326, city.epsg, always_xy=True)
    for photo in render_photos(city, tmp_path, count=16):
        x, y = to_metres.transform(photo.longitude, photo.latitude)
        assert 0 < x - city.origin[0] < city.size_px * PIXEL_M
        assert 0 < city.origin[1] - y < city.size_px * PIXEL_M


@pytest.mark.slow
def test_posts_are_read_with_every_planted_thing_taken_out(city, tmp_path):
    path, truth = write_posts(city, tmp_path, count=120, seed=4)
    rows = read_posts(path)
    assert [row.source_id for row in rows] == [post.id for post in truth]
    assert sum(len(post.planted) for post in truth) > 80, "the test must plant what it looks for"
    for row, post in zip(rows, truth, strict=True):
        assert all(thing not in row.text for thing in post.planted), row.text
        assert post.author not in row.text
        assert row.text.count("[") == len(post.planted)
    assert len({row.language for row in rows}) >= 8
    assert any(row.image and (tmp_path / row.image).exists() for row in rows)
