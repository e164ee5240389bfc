"""Why a release was refused, in words: each reason with its next step and the samples."""

import pytest

from fusion.errors import LeakError
from fusion.splits import check_leaks
from geoquorum.releases.leak_words import list_refusals


def refuse(lonlat, splits, **more) -> list[dict]:
    with pytest.raises(LeakError) as refused:
        check_leaks([f"p{row}" for row in range(len(splits))], splits, lonlat=lonlat, size_m=320, **more)
    return list_refusals(refused.value.report)


def test_overlapping_patches_are_told_by_pair():
    [found] = refuse([(9, 48), (9.001, 48), (9.5, 48)], ["train", "test", "test"])
    assert found["title"] == "1 pair of patches in different splits shares ground."
    assert found["pairs"] == [{"one": "p0", "two": "p1"}]
    assert "Split by blocks" in found["step"]


def test_patches_that_are_too_near_are_told_with_the_gap():
    [found] = refuse([(9, 48), (9.01, 48)], ["train", "test"], minimum_gap_m=1000)
    assert "nearer than 1000 m" in found["title"]
    assert found["pairs"] == [{"one": "p0", "two": "p1"}]


def test_every_kind_above_its_limit_is_told_and_authors_without_samples():
    groups = {"photo": ["a", "a", None], "user": ["u", "u", None], "scene": ["s", "s", "s"]}
    photo, user = refuse([(9, 48), (10, 48), (11, 48)], ["train", "test", "test"], groups=groups)
    assert photo["title"].startswith("Photo: 50.0 % of the samples held out")
    assert photo["pairs"] == [{"one": "p1", "one_split": "test", "two": "p0", "two_split": "train", "group": "a"}]
    assert user["title"].startswith("User: 50.0 %")
    assert user["pairs"] == []
