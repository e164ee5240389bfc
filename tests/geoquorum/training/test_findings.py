"""Titles of a report are its findings, in sentences that hold for one city, for many, and where nothing was found."""

import pytest

from geoquorum.figures.histogram import histogram
from geoquorum.figures.reliability import reliability_diagram
from geoquorum.figures.set_sizes import set_sizes
from geoquorum.figures.whiskers import Whisker, whisker_chart
from geoquorum.training.findings import (
    describe_doubt,
    describe_groups,
    describe_protocol,
    describe_sets,
    describe_strangers,
    describe_tuning,
    to_whisker,
)
from geoquorum.training.reports import find_span, list_scores, name_metric


def interval(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def group(name, value, low=None, high=None):
    return {"name": name, "n": 9, "blocks": 3, "is_trained_in": False, **interval(value, low, high)}


@pytest.mark.parametrize(
    ("found", "words", "is_warning"),
    [
        (
            {"is_unseen": True, "city": {"train": 4, "test": 2, "shared": []}},
            "2 cities that it was not trained in",
            False,
        ),
        ({"is_unseen": False, "city": {"train": 4, "test": 1, "shared": ["Ulm"]}}, "it was trained in: Ulm.", True),
        ({"is_unseen": None, "sentence": "?"}, "It is not known", False),
    ],
)
def test_the_protocol_is_one_sentence(found, words, is_warning):
    told = describe_protocol(found)
    assert words in told["sentence"]
    assert told["is_warning"] is is_warning
    assert describe_protocol({}) is None


def test_groups_are_told_by_their_mean_or_their_ends():
    rows = [group("Ulm", 0.5, 0.4, 0.6), group("Bonn", 0.8, 0.7, 0.9), group("", None)]
    mean = {**interval(0.65, 0.5, 0.8), "n": 2}
    [city, zone] = describe_groups(
        {"groups": {"city": {"rows": rows, "mean": mean}, "culture_zone": {"rows": rows[:2], "mean": None}}}, "Kappa"
    )
    assert city["title"] == "Kappa 0.650 on average over 2 cities (0.500 – 0.800)"
    assert [row.name for row in city["whiskers"]] == ["Ulm", "Bonn", "mean of 2"]
    assert (city["table"], city["has_coverage"]) == ("cities", False)
    assert zone["title"] == "Kappa from 0.500 (Ulm) to 0.800 (Bonn)"
    [alone] = describe_groups({"groups": {"city": {"rows": rows[:1], "mean": None}}}, "Kappa")
    assert alone["title"] == "Kappa 0.500 in Ulm"
    assert describe_groups({}, "Kappa") == []


def make_sets(coverage, low, high):
    return {
        "coverage": 0.9, "method": "lac", "by": "sample", "samples": 40, "groups": 0, "note": "", "threshold": 0.8,
        "test": {
            "n": 20,
            "coverage": interval(coverage, low, high),
            "mean_size": interval(1.5, 1.2, 1.9),
            "classes": {"1": {**interval(0.9, 0.8, 1.0), "n": 20}, "2": {**interval(None), "n": 0}},
            "sizes": [{"size": 1, "n": 20, "coverage": coverage}],
        },
    }  # fmt: skip


def test_sets_say_whether_the_promise_is_held():
    held, broken = describe_sets(make_sets(0.91, 0.86, 0.95), None), describe_sets(make_sets(0.7, 0.6, 0.8), None)
    assert (
        held["title"] == "Sets that promise the true class in 90 % hold it in 91.0 % (86.0 – 95.0), with 1.50 classes"
    )
    assert (held["is_held"], broken["is_held"]) == (True, False)
    assert [row.name for row in held["classes"]] == ["1  (n = 20)"]
    assert describe_sets({"note": "No prediction sets: too few."}, None) == {"title": "No prediction sets: too few."}
    assert describe_sets({}, None) is None


def test_strangers_are_counted_against_chance():
    found = {
        "method": "energy", "in_domain": 0.95, "threshold": 1.0, "note": "",
        "flagged": {**interval(0.12, 0.08, 0.2), "n": 50},
        "histogram": {"edges": [0.0, 1.0, 2.0], "counts": {"validation": [3, 1], "test": [1, 1]}},
    }  # fmt: skip
    told = describe_strangers(found)
    assert told["title"].startswith("12.0 % of held-out samples (8.0 – 20.0) look unlike what was learned; 5 % would")
    assert list(told["histogram"]["counts"]) == ["validation", "held out"]
    assert describe_strangers({"note": "No out-of-domain score: x."})["title"] == "No out-of-domain score: x."


def test_doubt_and_tuning_are_told_where_there_are_any():
    own = {"entropy": interval(0.5), "expected_entropy": interval(0.4), "mutual_information": interval(0.1)}
    one = describe_doubt({"answers": 1, "test": {**own, "auroc_of_errors": interval(0.7, 0.6, 0.8)}})
    assert [title for title, _ in one["rows"]] == ["Total entropy"]
    assert one["auroc"]["value"] == 0.7
    assert len(describe_doubt({"answers": 5, "test": own})["rows"]) == 3
    spread = {"variance": interval(1.0), "aleatoric_variance": interval(0.7), "epistemic_variance": interval(0.3)}
    assert len(describe_doubt({"answers": 2, "test": spread})["rows"]) == 3
    assert "unit" in describe_doubt({"answers": 1, "test": spread})["unit"]
    assert describe_doubt({"answers": 1, "test": {}}) is None
    assert describe_tuning({"calibration": {"method": "none"}, "test": {}}) is None
    told = describe_tuning({"calibration": {"method": "temperature", "temperature": 2.0}, "test": {"n": 1}})
    assert (told["temperature"], told["before"]) == (2.0, None)


def test_scores_of_any_head_are_listed_known_ones_first():
    found = list_scores(
        {"n": 3, "made_up": interval(1.0, 0, 2), "kappa": interval(0.4), "oa": interval(None), "f1": {}}
    )
    assert [title for title, _ in found] == ["Kappa", "Made up"]
    assert name_metric("rmse") == "Root mean square error"
    assert find_span([to_whisker("a", interval(0.4, -0.1, 0.5))]) == (-0.1, 1.0)
    assert find_span([to_whisker("a", interval(7.0, 6.0, 8.0))]) == (0.0, 8.4)


def test_figures_draw_error_bars_limits_and_what_was_before():
    bins = [{"low": 0.5, "high": 0.6, "n": 4, "confidence": 0.55, "accuracy": 0.5}]
    whole = [{**bins[0], "accuracy_low": 0.3, "accuracy_high": 0.7}]
    assert "whisker" in reliability_diagram(whole, title="t")
    assert "whisker" not in reliability_diagram(bins, title="t")
    assert "dashed" in reliability_diagram(whole, title="t", before=bins)
    bars = histogram([0, 1, 2], {"a": [1, 2]}, title="t", x_label="x", y_label="y", limit=1.5)
    assert "diagonal" in bars
    assert "diagonal" not in histogram([0, 1, 2], {"a": [1, 2]}, title="t", x_label="x", y_label="y", limit=9)
    assert "diagonal" in whisker_chart([Whisker(name="a", value=1, low=0, high=1)], title="t", x_label="x", limit=0.9)
    sizes = [
        {"size": 0, "n": 1, "coverage": 0.0},
        {"size": 1, "n": 3, "coverage": 1.0},
        {"size": 2, "n": 0, "coverage": None},
    ]
    drawn = set_sizes(sizes, title="t")
    assert drawn.count("<rect") == 2
    assert "100%" in drawn
