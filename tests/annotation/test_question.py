"""Questions: their views exist, their keys do not collide, and wrong answers are refused in one sentence."""

import pytest

from annotation import question
from annotation.question import Answer, check_answer
from fusion import modality, scheme
from fusion.errors import BadInputError
from fusion.scheme import LabelClass, Scheme

QUESTIONS = question.load_all()
LCZ = scheme.find("lcz17")


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_every_question_shows_views_that_exist(name):
    asked = QUESTIONS[name]
    assert asked.name == name
    for shown in asked.views:
        assert shown.view in {view.name for view in modality.find(shown.modality).views}


@pytest.mark.parametrize("scheme_name", sorted(scheme.load_all()))
def test_every_class_of_every_scheme_has_a_key_of_its_own(scheme_name):
    asked, labels = QUESTIONS["patch_classes"], scheme.find(scheme_name)
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
