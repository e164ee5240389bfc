"""Splits hold out what they name, keep their shares, and never share ground, scenes or groups unseen."""

import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from fusion.errors import BadInputError, LeakError
from fusion.grid import cell_at, neighbours
from fusion.splits import (
    block_in_cities,
    by_block,
    by_city,
    by_culture_zone,
    by_share,
    check_leaks,
    hold_one_per_zone,
    locate_cells,
    random_in_cities,
)

METRE = 1 / 111_195  # degrees of latitude


def test_named_cities_are_held_out_and_the_others_train():
    cities = ["munich", "rome", "lima", "munich", "oslo"]
    assert by_city(cities, test={"munich"}, validation={"lima"}) == ["test", "train", "validation", "test", "train"]


@pytest.mark.parametrize(
    ("cities", "test", "validation", "reason"),
    [
        (["a", "b"], {"c"}, set(), "No sample lies in c. Cities: a, b"),
        (["a", "b"], {"a"}, {"a"}, "a cannot be in test and in validation"),
        (["a", ""], {"a"}, set(), "names no city"),
    ],
)
def test_a_city_split_that_cannot_be_is_refused(cities, test, validation, reason):
    with pytest.raises(BadInputError, match=reason):
        by_city(cities, test=test, validation=validation)


def test_shares_are_kept_for_common_and_rare_labels_and_groups_stay_whole():
    rng = np.random.default_rng(0)
    groups = [f"g{number}" for number in rng.integers(0, 150, 3000)]
    labels = rng.choice(["common", "rare"], 3000, p=[0.95, 0.05]).tolist()
    splits = by_share(groups, labels, seed=1)
    for label in ("common", "rare"):
        mine = [split for split, code in zip(splits, labels, strict=True) if code == label]
        assert mine.count("train") / len(mine) == pytest.approx(0.6, abs=0.05)
        assert mine.count("test") / len(mine) == pytest.approx(0.2, abs=0.05)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    assert by_share(groups, labels, seed=1) == splits
    assert by_share(groups, labels, seed=2) != splits


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(BadInputError, match="sum to 1"):
        by_share(["a"], ["x"], shares={"train": 0.5})


@pytest.fixture
def scattered():
    rng = np.random.default_rng(4)
    return rng.uniform(0, 20_000, 900), rng.uniform(0, 20_000, 900), rng.choice(["1", "2", "3"], 900).tolist()


@pytest.mark.parametrize("buffer_m", [0.0, 250.0])
def test_no_two_splits_are_nearer_than_the_buffer(scattered, buffer_m):
    x, y, labels = scattered
    split = by_block(x, y, labels, block_m=2000, buffer_m=buffer_m, seed=3)
    splits = np.array(split.splits)
    points = np.column_stack([x, y])
    for one, two in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert cdist(points[splits == one], points[splits == two]).min() >= buffer_m
    assert (split.buffered > 0) == (buffer_m > 0)
    assert min((splits == name).sum() for name in ("train", "validation", "test")) > 60
    assert len(set(split.blocks)) == 100


def test_the_buffer_never_takes_a_test_sample(scattered):
    x, y, labels = scattered
    without = by_block(x, y, labels, block_m=2000, seed=3)
    buffered = by_block(x, y, labels, block_m=2000, buffer_m=500, seed=3)
    assert buffered.splits.count("test") == without.splits.count("test")
    assert buffered.blocks == without.blocks


def check(places, splits, **changes):
    arguments = {"lonlat": places, "size_m": 320, **changes}
    return check_leaks([f"p{i}" for i in range(len(splits))], splits, **arguments)


def test_patches_that_share_ground_are_named():
    places = [(11.0, 48.0), (11.5, 48.0), (11.5, 48.0 + 300 * METRE)]
    with pytest.raises(LeakError, match=r"1 pairs .* share ground, first p1 and p2"):
        check(places, ["train", "train", "test"])


def test_overlap_within_a_split_or_with_an_unused_sample_is_no_leak():
    places = [(11.0, 48.0), (11.0, 48.0), (11.0, 48.0), (12.0, 48.0)]
    report = check(places, ["train", "train", "", "test"])
    assert report.overlaps == 0
    assert report.samples == 3


def test_a_gap_below_the_limit_is_refused_and_one_above_is_reported():
    places = [(11.0, 48.0), (11.0, 48.0 + 820 * METRE), (13.0, 48.0)]
    report = check(places, ["train", "test", "validation"], minimum_gap_m=400)
    assert report.nearest_gap_m == pytest.approx(500, abs=3)
    assert report.nearest_pair == ("p0", "p1")
    assert json.loads(json.dumps(report.as_json()))["nearest_pair"] == ["p0", "p1"]
    with pytest.raises(LeakError, match=r"nearer than 600 m; nearest are p0 and p1, 500 m apart"):
        check(places, ["train", "test", "validation"], minimum_gap_m=600)


def test_the_gap_is_measured_across_the_date_line():
    report = check([(179.999, 0.0), (-179.999, 0.0)], ["train", "test"], size_m=100)
    assert report.nearest_gap_m == pytest.approx(222.4 - 100, abs=2)


def test_the_nearest_by_edges_is_found_even_where_another_is_nearer_by_centres():
    places = [(0.0, 0.0), (0.0, 500 * METRE), (0.0, -700 * METRE)]
    report = check(places, ["train", "test", "test"], size_m=[100, 100, 1000])
    assert report.nearest_pair == ("p0", "p2")
    assert report.nearest_gap_m == pytest.approx(150, abs=2)


@pytest.mark.parametrize("place", [(11.57, 48.14), (5.95, 69.6), (-70.6, -33.4)])
def test_neighbouring_cells_touch_and_do_not_overlap(place):
    cells = neighbours(cell_at(*place))
    lonlat, size_m = locate_cells([cell.id for cell in cells])
    splits = ["train"] * 4 + ["test"] + ["train"] * 4
    report = check(lonlat, splits, size_m=size_m)
    assert report.overlaps == 0
    assert report.nearest_gap_m < 5
    with pytest.raises(LeakError, match="nearer than 320 m"):
        check(lonlat, splits, size_m=size_m, minimum_gap_m=320)


def test_samples_without_a_place_are_checked_by_group_and_counted():
    lonlat, size_m = locate_cells([None, "", None])
    report = check(lonlat, ["train", "test", ""], size_m=size_m, groups={"block": ["a", "b", "b"]})
    assert report.unplaced == 2
    assert report.nearest_gap_m is None
    with pytest.raises(
        LeakError, match=r"1 of kind block lie in more than one split, first 'a', with 100.0% of the samples held out"
    ):
        check(lonlat, ["train", "test", ""], size_m=size_m, groups={"block": ["a", "a", None]})


def test_no_group_is_not_a_group():
    report = check([(0, 0), (9, 9)], ["train", "test"], groups={"block": ["", None]})
    assert report.shared["block"]["groups"] == 0


def test_a_big_check_is_quick_and_finds_the_one_leak():
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.uniform(0, 10, 20_000), rng.uniform(40, 50, 20_000)])
    splits = np.where(places[:, 0] < 5, "train", "test")
    keep = abs(places[:, 0] - 5) > 0.02
    assert check(places[keep], splits[keep].tolist()).overlaps == 0
    places[7], places[11] = (4.0, 45.0), (4.0005, 45.0)
    splits[7], splits[11] = "train", "test"
    with pytest.raises(LeakError, match="p7 and p11"):
        check(np.where(keep[:, None] | (np.arange(20_000) < 12)[:, None], places, np.nan), splits.tolist())


def test_scenes_are_shared_within_the_limit_and_photos_never():
    places = [(11.0, 48.0), (11.1, 48.0), (12.0, 48.0), (12.1, 48.0)]
    splits = ["train", "test", "test", "validation"]
    scenes = [{"s1", "s2"}, {"s2"}, {"s3"}, {"s4"}]
    report = check(places, splits, groups={"scene": scenes})
    pairs = [["s2", "p1", "test", "p0", "train"]]
    found = {"groups": 1, "share": pytest.approx(1 / 3), "limit": 1.0, "first": ["s2"], "pairs": pairs}
    assert report.shared["scene"] == found
    with pytest.raises(LeakError, match=r"1 of kind scene .* first 's2', with 33.3% .* at most 30.0% may"):
        check(places, splits, groups={"scene": scenes}, limits={"scene": 0.3})
    with pytest.raises(LeakError, match="of kind user") as refused:
        check(places, splits, groups={"user": ["u", "u", None, None]})
    assert refused.value.report["shared"]["user"]["first"] == ["u"]
    assert refused.value.report["shared"]["user"]["pairs"] == []  # whose posts are whose is told to nobody
    with pytest.raises(BadInputError, match="group of each kind"):
        check(places, splits, groups={"user": ["u"]})


@pytest.fixture(scope="module")
def towns():
    """Three cities of two culture zones, one over the antimeridian: cells of 320 m, labels, and which city is where."""
    rng = np.random.default_rng(0)
    centres = {"Fiji": (179.999, -16.5), "Berlin": (13.4, 52.5), "Munich": (11.6, 48.1), "Suva": (178.4, -18.1)}
    cities, cells = [], []
    for name, (lon, lat) in centres.items():
        around = {
            cell_at((lon + east + 180) % 360 - 180, lat + north).id
            for east in np.arange(-0.05, 0.05, 0.004)
            for north in np.arange(-0.03, 0.03, 0.003)
        }
        cells += sorted(around)
        cities += [name] * len(around)
    lonlat, size_m = locate_cells(cells)
    labels = rng.choice(["2", "6", "A"], len(cells), p=[0.6, 0.3, 0.1]).tolist()
    return cities, cells, lonlat, size_m, labels


def test_the_random_design_keeps_shares_in_every_city_and_overlapping_patches_are_refused(towns):
    cities, cells, lonlat, size_m, labels = towns
    splits = random_in_cities(cities, labels, seed=1)
    for city in set(cities):
        for label in ("2", "6", "A"):
            mine = [s for s, c, name in zip(splits, cities, labels, strict=True) if (c, name) == (city, label)]
            assert abs(mine.count("test") - 0.2 * len(mine)) <= 1
    assert random_in_cities(cities, labels, seed=1) == splits != random_in_cities(cities, labels, seed=2)
    inland = np.array(cities) != "Fiji"  # at the edge of two zones their cells overlap
    places = np.where(inland[:, None], lonlat, np.nan)
    check_leaks(cells, splits, lonlat=places, size_m=size_m)  # cells of a grid only touch
    with pytest.raises(LeakError, match="share ground"):
        check_leaks(cells, splits, lonlat=places, size_m=2 * size_m)  # patches that overlap by half


def test_the_block_design_cuts_each_city_once_and_passes_with_overlapping_patches(towns):
    cities, cells, lonlat, size_m, _labels = towns
    splits = block_in_cities(cities, lonlat, buffer_m=1000)
    for city in set(cities):
        rows = [row for row, name in enumerate(cities) if name == city]
        east = {
            split: [(lonlat[row, 0] + 360) % 360 for row in rows if splits[row] == split] for split in ("train", "test")
        }
        assert max(east["train"]) < min(east["test"])
        assert len(east["test"]) == pytest.approx(0.2 * len(rows), abs=0.06 * len(rows))
    assert splits.count("") > 0
    report = check_leaks(cells, splits, lonlat=lonlat, size_m=2 * size_m)
    assert report.overlaps == 0
    assert report.nearest_gap_m > 200


def test_the_culture_design_holds_out_whole_cities_cut_into_west_and_east(towns):
    cities, cells, lonlat, size_m, _labels = towns
    splits = by_culture_zone(cities, lonlat, held={"Fiji", "Munich"}, buffer_m=1000)
    for city in set(cities):
        mine = {split for split, name in zip(splits, cities, strict=True) if name == city}
        assert mine - {""} == ({"validation", "test"} if city in {"Fiji", "Munich"} else {"train"})
    fiji = {
        s: [(lonlat[r, 0] + 360) % 360 for r, c in enumerate(cities) if c == "Fiji" and splits[r] == s] for s in splits
    }
    assert max(fiji["validation"]) < min(fiji["test"])
    assert (
        check_leaks(
            cells, splits, lonlat=lonlat, size_m=2 * size_m, groups={"city": cities}, limits={"city": 1}
        ).overlaps
        == 0
    )


def test_one_city_of_each_zone_is_held_out_where_another_trains():
    cities, zones = ["a", "b", "c", "d", "d"], ["x", "x", "y", "y", "y"]
    held = hold_one_per_zone(cities, zones, seed=3)
    assert len(held) == 2
    assert held[0] in "ab"
    assert held[1] in "cd"
    with pytest.raises(BadInputError, match="Culture zone 'z' has 1 city"):
        hold_one_per_zone([*cities, "e"], [*zones, "z"])


@pytest.mark.parametrize("test", [0, 1, -0.1])
def test_shares_that_leave_one_split_empty_are_refused(test):
    with pytest.raises(BadInputError, match="between 0 and 1"):
        random_in_cities(["a"], ["2"], test=test)


def test_a_cut_through_cities_needs_places():
    with pytest.raises(BadInputError, match="some have none"):
        block_in_cities(["a", "a"], [(1.0, 2.0), (np.nan, np.nan)])


def test_blocks_never_part_a_group_and_the_buffer_still_sees_every_sample():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 10_000, (2, 400))
    groups = [f"area {int(east // 900)}" if north < 5_000 else "" for east, north in zip(x, y, strict=True)]
    labels = ["a"] * 400
    alone = by_block(x, y, labels, block_m=1_000)
    found = by_block(x, y, labels, block_m=1_000, buffer_m=300, groups=groups)
    for name in set(groups) - {""}:
        rows = [row for row, group in enumerate(groups) if group == name]
        assert len({found.blocks[row] for row in rows}) == 1
        assert len({found.splits[row] for row in rows} - {""}) == 1
        assert len({alone.blocks[row] for row in rows}) > 1
    assert [found.blocks[row] for row in range(400) if not groups[row]] == [
        alone.blocks[row] for row in range(400) if not groups[row]
    ]
    points, splits = np.column_stack([x, y]), np.array(found.splits)
    assert cdist(points[splits == "train"], points[splits == "test"]).min() >= 300


@pytest.mark.parametrize("lon", [9.0, 179.95])
def test_cuts_through_cities_never_part_a_group(lon):
    rng = np.random.default_rng(1)
    east = rng.uniform(0, 0.1, 200)
    places = np.column_stack([(lon + east + 180) % 360 - 180, rng.uniform(48, 48.1, 200)])
    groups = [f"area {int(each // 0.013)}" for each in east]
    cities = ["one"] * 200
    for splits in (
        block_in_cities(cities, places, groups=groups),
        by_culture_zone([*cities, "two"], [*places, (0, 0)], held=["one"], groups=[*groups, ""])[:200],
    ):
        assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
        assert len(set(splits)) == 2


def test_groups_that_are_not_one_each_are_refused():
    with pytest.raises(BadInputError, match="1 groups for 2 samples"):
        by_block([0, 1], [0, 1], ["a", "b"], block_m=10, groups=["x"])
