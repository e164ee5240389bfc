"""Questions: their views exist, their keys do not collide, and wrong answers are refused in one sentence."""

import json
import math

import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from annotation import question
from annotation.fields import AnswerField, FieldOption, check_extra
from annotation.question import Answer, check_answer, view_of
from fusion import modality, scheme
from fusion.errors import BadInputError, UnknownKindError
from fusion.scheme import LabelClass, Scheme

QUESTIONS = question.load_all()
LCZ = scheme.find("lcz17")


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_every_question_shows_views_that_exist(name):
    asked = QUESTIONS[name]
    assert asked.name == name
    for shown in asked.views:
        meant, kind = view_of(shown), modality.find(shown.modality)
        assert set(modality.list_bands(meant)) <= set(kind.band_names)
        assert all(low < high for low, high in zip(meant.low, meant.high, strict=True))


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_one_name_of_a_view_means_one_picture(name):
    """A picture is asked for by modality and view alone, so that two questions may share it."""
    for shown in QUESTIONS[name].views:
        assert question.find_view(shown.modality, shown.view) == view_of(shown)


def test_a_view_that_nobody_declares_is_answered_with_the_known_ones():
    with pytest.raises(UnknownKindError, match=r"true_colour.*surfaces"):
        question.find_view("sentinel2", "infrared")


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_the_keys_of_a_question_are_each_given_once(name):
    asked = QUESTIONS[name]
    alphabet = scheme.find(asked.scheme or "water")
    fields = [field.key for field in asked.fields]
    assert not set(asked.keys(alphabet)) & set(asked.command_keys())
    assert len(asked.command_keys()) == len(question.COMMAND_KEYS) + len(fields)
    for field in asked.fields:
        keys = [option.key for option in field.options]
        assert len(set(keys)) == len(keys)
        assert len({option.code for option in field.options}) == len(keys)
    reasons = [reason.key for reason in asked.skip_reasons]
    assert len(set(reasons)) == len(reasons)
    assert [reason.key for reason in asked.skip_reasons if reason.needs_text] == ["0"]


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_declared_question_is_json_with_everything_that_an_answer_means(name):
    said = QUESTIONS[name].declared()
    assert json.loads(json.dumps(said)) == said
    assert said["skip_reasons"][0]["title"] == QUESTIONS[name].skip_reasons[0].title
    assert [field["name"] for field in said["fields"]] == [field.name for field in QUESTIONS[name].fields]
    assert {"version", "views", "help", "layout", "prompt_scheme", "scheme"} <= set(said)


@pytest.mark.parametrize("scheme_name", sorted(scheme.load_all()))
def test_every_class_of_every_scheme_has_a_key_of_its_own(scheme_name):
    """Under the question that asks for the scheme, or under the one that takes any."""
    own = [kind for kind in QUESTIONS.values() if kind.scheme == scheme_name]
    asked, labels = (own or [QUESTIONS["patch_classes"]])[0], scheme.find(scheme_name)
    keys = asked.keys(labels)
    assert sorted(keys.values()) == sorted(labels.codes)


def test_lcz_keys_are_digits_with_zero_for_ten_and_letters():
    keys = QUESTIONS["lcz_patch"].keys(LCZ)
    assert keys["0"] == "10"
    assert keys["7"] == "7"
    assert keys["G"] == "G"


@pytest.mark.parametrize(("key", "other"), [("S", "skip"), ("1", "one")])
def test_a_key_that_is_taken_is_refused(key, other):
    white = {"colour": "#ffffff", "ink": "#000000"}
    classes = (
        LabelClass(code="one", name="One", key="1", **white),
        LabelClass(code="two", name="Two", key=key, **white),
    )
    with pytest.raises(BadInputError, match=f"'two' is taken by '{other}'"):
        QUESTIONS["patch_classes"].keys(Scheme(name="odd", title="Odd", version=1, classes=classes))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(code="10"),
        Answer(code="A", second="B", is_sure=False),
        Answer(skip_reason="3"),
        Answer(skip_reason="0", note="half of it is a stadium"),
    ],
)
def test_good_answers_pass(answer):
    assert check_answer(QUESTIONS["lcz_patch"], LCZ, answer) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(), "Choose a class"),
        (Answer(code="11"), "'11' is not a code of scheme 'lcz17'"),
        (Answer(code="A", second="Z"), "'Z' is not a code"),
        (Answer(code="A", second="A"), "must differ"),
        (Answer(skip_reason="9"), "not a reason to skip"),
        (Answer(skip_reason="1", code="A"), "has no class"),
        (Answer(skip_reason="0", note="  "), "Say in a note"),
    ],
)
def test_bad_answers_are_refused_in_one_sentence(answer, words):
    refusal = check_answer(QUESTIONS["lcz_patch"], LCZ, answer)
    assert words in refusal
    assert refusal.endswith(".")
    assert refusal.count(". ") == 0


def test_skip_reasons_have_their_agreed_keys():
    assert [reason.key for reason in QUESTIONS["lcz_patch"].skip_reasons] == ["1", "2", "3", "4", "5", "6", "0"]


BUILDING, POST = QUESTIONS["street_view_building"], QUESTIONS["social_post"]
BUILDINGS, FUNCTIONS = scheme.find("building_use"), scheme.find("post_building_function")


@pytest.mark.parametrize("extra", [None, {}, {"box": [0, 0, 1, 1]}, {"box": [0.25, 0.1, 0.5, 0.9]}])
def test_a_box_is_optional_and_lies_in_the_photo(extra):
    assert check_answer(BUILDING, BUILDINGS, Answer(code="church", extra=extra)) is None


@pytest.mark.parametrize(
    "box",
    [
        [0.5, 0.1, 0.5, 0.9], [0.6, 0.1, 0.5, 0.9], [0.1, 0.9, 0.5, 0.2], [-0.1, 0, 1, 1], [0, 0, 1.1, 1], [0, 0, 1],
        [0, 0, 1, 1, 1], [0, 0, 0.001, 1], ["0", "0", "1", "1"], [True, False, True, True], None, "box", {}, 7,
        [math.nan, 0, 1, 1], [0, 0, math.inf, 1], [[0, 0, 1, 1]],
    ],
)  # fmt: skip
def test_a_box_that_cannot_be_is_refused_in_one_sentence(box):
    refusal = check_answer(BUILDING, BUILDINGS, Answer(code="church", extra={"box": box}))
    assert "'box' must be a box [x0, y0, x1, y1]" in refusal
    assert refusal.endswith(".")


@settings(max_examples=100, deadline=None)
@forall(st.lists(st.floats(), min_size=4, max_size=4))
def test_a_box_is_taken_exactly_where_it_has_two_sides_in_the_photo(box):
    inside = all(0 <= side <= 1 for side in box) and box[2] - box[0] >= 0.002 and box[3] - box[1] >= 0.002
    refusal = check_answer(BUILDING, BUILDINGS, Answer(code="church", extra={"box": box}))
    assert (refusal is None) == inside


def test_a_language_is_one_of_the_list():
    assert check_answer(POST, FUNCTIONS, Answer(code="public", extra={"language": "ar"})) is None
    refusal = check_answer(POST, FUNCTIONS, Answer(code="public", extra={"language": "<script>"}))
    assert "is not an option of 'language'" in refusal
    assert check_answer(POST, FUNCTIONS, Answer(code="public", extra={"language": ["en"]}))


@pytest.mark.parametrize(
    ("asked", "alphabet", "code", "words"),
    [
        (BUILDING, BUILDINGS, "church", "its fields are box"),
        (QUESTIONS["lcz_patch"], LCZ, "1", "it has none"),
    ],
)
def test_an_unknown_field_is_refused_by_name(asked, alphabet, code, words):
    refusal = check_answer(asked, alphabet, Answer(code=code, extra={"colour": "red"}))
    assert "'colour' is not a field" in refusal
    assert words in refusal


def test_a_field_that_must_be_given_is_asked_for():
    must = (AnswerField(name="storeys", title="Storeys", kind="choice", key="U", is_required=True),)
    assert "lacks 'storeys' (Storeys)" in check_extra("any", must, {})
    few = AnswerField(
        name="storeys", title="Storeys", kind="choice", key="U", options=(FieldOption(code="1", name="One", key="1"),)
    )
    assert check_extra("any", (few,), {"storeys": "1"}) is None


def test_an_answer_is_not_larger_than_it_need_be():
    refusal = check_answer(BUILDING, BUILDINGS, Answer(code="church", extra={"box": [0.1] * 5_000}))
    assert "at most 2000 characters" in refusal


def test_a_skipped_photo_has_reasons_of_its_own_and_no_box():
    assert check_answer(BUILDING, BUILDINGS, Answer(skip_reason="1")) is None
    assert BUILDING.skip_reasons[0].title == "Taken indoors"
    assert "has no class" in check_answer(BUILDING, BUILDINGS, Answer(skip_reason="1", extra={"box": [0, 0, 1, 1]}))


def test_a_review_takes_no_second_choice():
    refusal = check_answer(QUESTIONS["yes_no_review"], scheme.find("yes_no"), Answer(code="yes", second="no"))
    assert "takes no second choice" in refusal
