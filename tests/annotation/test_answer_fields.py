"""Boxes and choices of several voters: cases whose answer is known by hand."""

import pytest

from annotation import question as questions
from annotation.answer_fields import conclude_fields

BOX = questions.find("street_view_building").fields
LANGUAGE = questions.find("social_post").fields


def draw(*boxes, sample=7):
    """One sample; each voter draws one box or (None) none."""
    return [(sample, f"e{place}", {} if box is None else {"box": list(box)}) for place, box in enumerate(boxes)]


def say(*codes, sample=7):
    return [(sample, f"e{place}", {} if code is None else {"language": code}) for place, code in enumerate(codes)]


def test_three_boxes_give_their_median_and_how_well_they_overlap_with_it():
    found = conclude_fields(BOX, draw((0, 0, 0.5, 0.5), (0.1, 0, 0.6, 0.5), (0.2, 0, 0.7, 0.5)))[7]["box"]
    assert found["value"] == pytest.approx([0.1, 0, 0.6, 0.5])
    assert (found["votes"], found["found"], found["agreement"]) == (3, 3, 1)
    assert found["iou"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3, abs=1e-4)


def test_a_box_that_three_of_five_drew_is_kept_with_their_share():
    box = (0.2, 0.2, 0.6, 0.8)
    found = conclude_fields(BOX, draw(box, None, box, None, box))[7]["box"]
    assert found["value"] == pytest.approx(box)
    assert (found["votes"], found["found"], found["agreement"], found["iou"]) == (5, 3, 0.6, 1)


def test_a_box_that_two_of_five_drew_is_none():
    box = (0.2, 0.2, 0.6, 0.8)
    found = conclude_fields(BOX, draw(box, None, box, None, None))[7]["box"]
    assert found == {"value": None, "votes": 5, "found": 2, "agreement": 0.6, "iou": None}


def test_boxes_around_different_things_are_none():
    found = conclude_fields(BOX, draw((0, 0, 0.2, 0.2), (0.4, 0.4, 0.6, 0.6), (0.8, 0.8, 1, 1)))[7]["box"]
    assert (found["value"], found["found"], found["agreement"]) == (None, 3, 0)


def test_samples_do_not_mix_and_their_order_does_not_matter():
    left, right = (0, 0, 0.3, 0.3), (0.5, 0.5, 1, 1)
    said = draw(left, left, left, sample=9) + draw(right, None, right, sample=2) + draw(None, None, sample=4)
    found = conclude_fields(BOX, said)
    assert found == conclude_fields(BOX, said[::-1])
    values = {sample: told["box"]["value"] for sample, told in found.items()}
    assert values == {9: pytest.approx(left), 2: pytest.approx(right), 4: None}


def test_the_language_is_that_of_the_most_who_named_one():
    found = conclude_fields(LANGUAGE, say("en", "de", "en", None))[7]["language"]
    assert found == {"value": "en", "votes": 3, "agreement": 0.6667, "counts": {"en": 2, "de": 1}}


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        (("en", "de"), {"value": None, "votes": 2, "agreement": 0.5, "counts": {"en": 1, "de": 1}}),
        ((None, None), {"value": None, "votes": 0, "agreement": None, "counts": {}}),
        (("xx", "de"), {"value": "de", "votes": 1, "agreement": 1.0, "counts": {"de": 1}}),
    ],
)
def test_a_tie_no_choice_and_an_option_of_another_day_name_no_language(codes, found):
    assert conclude_fields(LANGUAGE, say(*codes))[7]["language"] == found


def test_without_fields_or_votes_nothing_is_found():
    assert conclude_fields((), draw((0, 0, 1, 1))) == {7: {}}
    assert conclude_fields(BOX, []) == {}
