"""Vehicles keep to the motorways, and the video shows each where its track says."""

from datetime import date, timedelta

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.errors import BadInputError
from fusion.world.ground import Window, draw_squares
from fusion.world.materials import INDEX
from fusion.world.plan import plan_world
from fusion.world.vehicles import Places, Vehicle, draw_vehicles, find_corners, find_places
from fusion.world.video import Video, render_video
from fusion.world.world import PIXEL_M, City

SECONDS = np.array([0.0, 0.2, 5.0])
DAY = date(2021, 6, 1)


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=5).cities[0]


@pytest.fixture(scope="module")
def vehicles(city: City) -> list[Vehicle]:
    return draw_vehicles(city)


@pytest.fixture(scope="module")
def places(city: City, vehicles: list[Vehicle]) -> Places:
    return find_places(city, vehicles, SECONDS)


@pytest.fixture(scope="module")
def window(city: City, places: Places) -> Window:
    """A stretch of motorway near the middle of the city."""
    x, y = places.x[:, 0] - city.origin[0], city.origin[1] - places.y[:, 0]
    middle = city.size_px * PIXEL_M / 2
    far = np.where(places.is_seen[:, 0], np.hypot(x - middle, y - middle), np.inf)
    row, column = int(y[far.argmin()] // PIXEL_M), int(x[far.argmin()] // PIXEL_M)
    return Window(rows=(row - 6, row + 6), columns=(column - 8, column + 8))


@pytest.fixture(scope="module")
def video(city: City, window: Window) -> Video:
    return render_video(city, window, DAY, frames=10)


def test_vehicles_drive_on_asphalt(city: City, places: Places) -> None:
    squares = draw_squares(city)
    seen = places.is_seen
    rows = ((city.origin[1] - places.y[seen]) / 2.5).astype(int)
    columns = ((places.x[seen] - city.origin[0]) / 2.5).astype(int)
    assert seen.sum() > 100
    # The rest stands where the railway crosses.
    assert (squares.material[rows, columns] == INDEX["asphalt_worn"]).mean() > 0.95


def test_vehicles_move_the_way_they_face_at_the_speed_of_a_motorway(places: Places) -> None:
    east, north = np.diff(places.x[:, :2], axis=1)[:, 0], np.diff(places.y[:, :2], axis=1)[:, 0]
    speed = np.hypot(east, north) / 0.2
    assert 17 < speed.min() <= speed.max() < 34
    turn = np.rad2deg(np.arctan2(east, north)) - places.heading_deg[:, 0]
    assert np.abs((turn + 180) % 360 - 180).max() < 2


def test_corners_lie_around_the_middle_front_first(vehicles: list[Vehicle]) -> None:
    lorry = max(vehicles, key=lambda vehicle: vehicle.length_m)
    corners = find_corners(lorry, np.array(10.0), np.array(20.0), np.array(90.0))
    assert corners.mean(axis=0) == pytest.approx([10, 20])
    assert corners[0] == pytest.approx([10 + lorry.length_m / 2, 20 + lorry.width_m / 2])
    assert corners[1] == pytest.approx([10 + lorry.length_m / 2, 20 - lorry.width_m / 2])


def test_frames_have_times_and_a_place(city: City, window: Window, video: Video) -> None:
    assert video.frames.shape == (10, 3, 240, 320)
    assert video.frames.dtype == modalities.find("video").dtype
    assert video.times[1] - video.times[0] == timedelta(seconds=0.2)
    assert (video.transform[2], video.transform[5]) == (
        city.origin[0] + window.columns[0] * 10,
        city.origin[1] - window.rows[0] * 10,
    )


def test_tracks_say_where_vehicles_are(city: City, vehicles: list[Vehicle], video: Video) -> None:
    assert video.tracks
    for track in video.tracks:
        seconds = np.array([frame / video.frames_per_second for frame in track.frames])
        true = find_places(city, [vehicles[track.vehicle]], seconds)
        columns, rows = np.array(track.centres).T
        assert video.transform[2] + columns * 0.5 == pytest.approx(true.x[0], abs=1e-6)
        assert video.transform[5] - rows * 0.5 == pytest.approx(true.y[0], abs=1e-6)


def test_pixels_change_inside_the_boxes_and_nowhere_else(video: Video) -> None:
    still = np.median(video.frames.astype(float), axis=0)
    for frame, picture in enumerate(video.frames):
        inside = np.zeros(picture.shape[1:], dtype=bool)
        for track in video.tracks:
            for number, (x0, y0, x1, y1) in zip(track.frames, track.boxes, strict=True):
                if number == frame:
                    inside[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
        moved = np.abs(picture - still).max(axis=0) > 15
        # Vehicles whose middle is outside of the picture have no box, though an end of them may be seen.
        inner = slice(30, -30), slice(30, -30)
        assert not (moved & ~inside)[inner].any()
        if inside[inner].any():
            assert moved[inner][inside[inner]].mean() > 0.2


def test_the_same_seed_gives_the_same_video_and_another_gives_others(city: City, window: Window, video: Video) -> None:
    again, other = (render_video(city, window, DAY, frames=2, seed=seed) for seed in (0, 1))
    assert again.tracks[0].centres[0] == video.tracks[0].centres[0]
    assert (again.frames == render_video(city, window, DAY, frames=2).frames).all()
    assert (again.frames != other.frames).any()


def test_a_video_without_frames_or_pace_is_refused(city: City, window: Window) -> None:
    for frames, pace in ((0, 5.0), (3, 0.0)):
        with pytest.raises(BadInputError, match="at least 1 frame"):
            render_video(city, window, DAY, frames=frames, frames_per_second=pace)
