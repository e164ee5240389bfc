"""Band expressions are read by hand: what is not arithmetic on bands is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import expression
from fusion.errors import BadInputError

B4, B8 = np.array([0.1, 0.2], np.float32), np.array([0.5, 0.2], np.float32)
BANDS = {"B4": B4, "B8": B8}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B8", B8),
        ("(B8-B4)/(B8+B4)", (B8 - B4) / (B8 + B4)),
        (" B8 - B4 - B4 ", B8 - B4 - B4),
        ("B8/B4/2", B8 / B4 / 2),
        ("2*B8+1", 2 * B8 + 1),
        ("-B8*-1", B8),
        ("1-(B4+0.5)*2", 1 - (B4 + 0.5) * 2),
    ],
)
def test_expressions_follow_the_rules_of_arithmetic(text, expected):
    found = expression.parse(text).compute(BANDS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_bands_needed_are_named_once_in_order():
    assert expression.parse("(B8-B4)/(B8+B4)").names == ("B8", "B4")


def test_a_division_by_zero_is_not_a_number():
    assert np.isnan(expression.parse("B8/(B4-B4)").compute(BANDS)).all()


@pytest.mark.parametrize(
    "text",
    [
        "", "B8+", "(B8", "B8)", "B8 B4", "*B8", "B8**2", "B8//B4", "__import__('os')", "B8.real", "B8[0]", "B8;B4",
        "1", "2+3", "-", "B8,B4", "B8=1", "B8\0", "(" * 50 + "B8" + ")" * 50, "B8+" * 80 + "B8",
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name(text):
    with pytest.raises(BadInputError):
        expression.parse(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="B48+-*/() .x", max_size=30))
def test_every_text_is_computed_or_refused(text):
    try:
        parsed = expression.parse(text)
    except BadInputError:
        return
    planes = dict.fromkeys(parsed.names, B4)
    assert parsed.compute(planes).dtype == np.float32
