"""Every scheme can be read, told apart and typed; the zones carry the published table."""

import json
from itertools import combinations

import numpy as np
import pytest

from fusion import scheme as schemes
from fusion.errors import BadInputError, UnknownKindError

ALL = sorted(schemes.load_all().values(), key=lambda scheme: scheme.name)
LCZ = schemes.find("lcz17")


def luminance(colour):
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, two):
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_the_guideline_says():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#bf4d00", "#ffffff") == pytest.approx(4.9, abs=0.05)


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: scheme.name)
def test_codes_names_keys_values_and_colours_are_each_given_once(scheme):
    for part in ("code", "name", "key", "value", "colour", "sign"):
        values = [getattr(label, part) for label in scheme.classes]
        assert len(set(values)) == len(values), part
    assert min(label.value for label in scheme.classes) > 0
    assert all(len(label.key) == 1 for label in scheme.classes)
    assert all(label.help and label.group for label in scheme.classes)
    assert scheme.source


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: scheme.name)
def test_classes_are_mistaken_for_other_classes_of_the_scheme(scheme):
    for label in scheme.classes:
        assert set(label.confused_with) <= set(scheme.codes) - {label.code}
        assert len(set(label.confused_with)) == len(label.confused_with)


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: scheme.name)
def test_a_declared_scheme_is_json_with_everything_that_a_code_means(scheme):
    said = scheme.declared()
    assert json.loads(json.dumps(said)) == said
    assert [label["code"] for label in said["classes"]] == list(scheme.codes)
    assert {"name", "key", "help", "confused_with"} <= set(said["classes"][0])
    assert said["version"] == scheme.version


@pytest.mark.parametrize("name", ["lcz17", "building_use"])
def test_zones_and_buildings_have_whole_cards(name):
    for label in schemes.find(name).classes:
        assert label.aerial
        assert label.ground
        assert label.aerial != label.ground != label.help
        assert label.confused_with


def test_codes_that_are_words_have_a_short_sign():
    assert [label.sign for label in LCZ.classes] == list(LCZ.codes)
    assert schemes.find("building_use").find("office_building").sign == "of"


def test_the_kinds_of_building_are_the_eight_of_the_paper():
    codes = schemes.find("building_use").codes
    paper = {"apartment", "church", "garage", "house", "industrial", "office_building", "retail", "roof"}
    assert set(codes) == paper
    assert "".join(label.key for label in schemes.find("building_use").classes) == "12345678"


def test_a_review_is_answered_with_y_and_n():
    assert [(label.code, label.key) for label in schemes.find("yes_no").classes] == [("yes", "Y"), ("no", "N")]


def test_posts_have_one_code_for_no_relevance():
    functions = schemes.find("post_building_function")
    assert [label.code for label in functions.classes if label.group == "not relevant"] == ["not_relevant"]
    assert "".join(label.key for label in functions.classes) == "012345"


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: scheme.name)
def test_text_on_every_colour_is_readable(scheme):
    for label in scheme.classes:
        assert label.ink in ("#ffffff", "#000000")
        assert contrast(label.colour, label.ink) >= 4.5, label.code


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: scheme.name)
def test_similarity_is_a_table_of_partial_credit(scheme):
    table = scheme.similarity_matrix()
    assert table.shape == (len(scheme), len(scheme))
    assert np.array_equal(table, table.T)
    assert np.array_equal(np.diag(table), np.ones(len(scheme)))
    assert table.min() >= 0
    assert all(table[i, j] < 1 for i, j in combinations(range(len(scheme)), 2))


def test_the_zones_have_the_codes_and_keys_of_the_experts():
    assert LCZ.codes == ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "A", "B", "C", "D", "E", "F", "G")
    assert "".join(label.key for label in LCZ.classes) == "1234567890ABCDEFG"
    assert [label.value for label in LCZ.classes] == list(range(1, 18))
    assert [label.group for label in LCZ.classes] == ["built"] * 10 + ["natural"] * 7


@pytest.mark.parametrize(
    ("one", "two", "credit"),
    [
        ("1", "4", 8 / 12),  # the worked example of the paper: compact or open 1, impervious or pervious 3
        ("1", "G", 0.0),
        ("2", "3", 11 / 12),  # one step of height
        ("A", "B", 11 / 12),  # one step of openness
        ("F", "G", 11 / 12),
        ("8", "10", 11 / 12),
    ],
)
def test_similarity_is_the_published_one(one, two, credit):
    assert LCZ.similarity_matrix()[LCZ.index(one), LCZ.index(two)] == pytest.approx(credit, abs=0.005)


def test_every_similarity_is_a_number_of_twelfths():
    twelfths = LCZ.similarity_matrix() * 12
    assert abs(twelfths - np.rint(twelfths)).max() <= 12 * 0.005 + 1e-9


def test_an_unknown_code_or_scheme_is_answered_with_the_known_ones():
    with pytest.raises(BadInputError, match=r"'11' is not a code of scheme 'lcz17'\. Codes: 1, 2"):
        LCZ.index("11")
    with pytest.raises(UnknownKindError, match=r"Known: .*lcz17.*water"):
        schemes.find("lcz18")
