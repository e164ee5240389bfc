"""Average precision against tables worked out by hand, and against the sample that a draw stands for."""

import json

import numpy as np
import pytest

from fusion import box_scores
from fusion.box_scores import collect, evaluate, match, match_instances, paired_difference
from fusion.errors import BadInputError


def place(x: float, score: float | None = None, kind: int = 0, width: float = 4.0) -> list[float]:
    """A box 10 pixels from the next; found ones have a score."""
    box = [10 * x + 5, 5.0, width, 4.0, 0.0, kind]
    return box if score is None else [*box, score]


def gather(*samples: tuple[list[list[float]], list[list[float]]], classes: int = 1) -> dict[str, np.ndarray]:
    """Evidence of samples given as (found, true)."""
    found, true = ([np.array(pair[side]).reshape(-1, 7 - side) for pair in samples] for side in (0, 1))
    offsets = [np.cumsum([0, *map(len, boxes)]) for boxes in (found, true)]
    return collect(np.concatenate(found), offsets[0], np.concatenate(true), offsets[1], classes)


def score(*samples: tuple[list[list[float]], list[list[float]]], classes: int = 1) -> dict[str, object]:
    codes = [f"k{kind}" for kind in range(classes)]
    found = evaluate([gather(*samples, classes=classes)], codes=codes, blocks=range(len(samples)), resamples=10)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_average_precision_of_a_table_worked_out_by_hand() -> None:
    found = [place(0, 0.9), place(7, 0.8), place(1, 0.7)]  # right, wrong, right
    table = score((found, [place(0), place(1), place(2)]))
    # recall 1/3 at precision 1, then 2/3 at 2/3, then never: recalls 0.00-0.33, 0.34-0.66 and 0.67-1.00 of the 101
    assert table["ap50"]["value"] == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)
    assert table["ap"]["value"] == pytest.approx(table["ap50"]["value"])


@pytest.mark.parametrize(
    ("found", "true", "value"),
    [
        ([place(0, 0.9)], [place(0)], 1.0),
        ([], [place(0)], 0.0),
        ([place(0, 0.9)], [], None),
        ([place(1, 0.9)], [place(0)], 0.0),
        ([place(0, 0.9), place(0, 0.8)], [place(0)], 1.0),  # a double comes after the one that is right
        ([place(5, 0.9), place(0, 0.8)], [place(0)], 0.5),
        ([place(0, 0.9), place(5, 0.8)], [place(0)], 1.0),  # wrong ones after the last right one cost nothing
        ([place(0, 0.9)], [place(0), place(1)], 51 / 101),
    ],
)
def test_average_precision_of_small_cases_known_from_the_benchmark(found, true, value) -> None:
    assert score((found, true))["ap50"]["value"] == (value if value is None else pytest.approx(value))


def test_a_box_counts_up_to_the_overlap_it_has() -> None:
    table = score(([place(0, 0.9, width=2.4)], [place(0)]))  # of 4 x 4 pixels it covers 2.4 x 4: overlap 0.6
    assert table["ap50"]["value"] == 1.0
    assert table["ap"]["value"] == pytest.approx(0.3)  # at 0.5, 0.55 and 0.6 of ten


def test_classes_are_averaged_and_one_without_true_boxes_is_left_out() -> None:
    table = score(([place(0, 0.9, 0), place(1, 0.8, 0), place(3, 0.5, 2)], [place(0), place(1, kind=1)]), classes=3)
    assert table["classes"]["k0"]["ap50"]["value"] == 1.0
    assert table["classes"]["k1"]["ap50"]["value"] == 0.0
    assert table["classes"]["k2"]["ap50"]["value"] is None
    assert table["ap50"]["value"] == pytest.approx(0.5)


def test_the_best_takes_the_true_box_that_it_overlaps_most_and_the_next_what_is_left() -> None:
    true = np.array([[5, 5, 4, 4, 0, 0], [6, 5, 4, 4, 0, 0.0]])
    found = np.array([[5.4, 5, 4, 4, 0, 0, 0.9], [5.2, 5, 4, 4, 0, 0, 0.8], [5.0, 5, 4, 4, 0, 0, 0.7]])
    assert match(found, true)[:, 0].tolist() == [True, True, False]
    # the first overlaps the left one by 0.82; the second is left with the right one, by 0.67
    assert match(found, true)[:, 4].tolist() == [True, False, False]


def test_turned_boxes_are_matched_by_their_turned_overlap() -> None:
    long = [20.0, 20.0, 16.0, 2.0]
    right, crossed = [*long, 45.0, 0.0, 0.9], [*long, -45.0, 0.0, 0.9]
    true = [*long, 47.0, 0.0]
    assert score(([right], [true]))["ap50"]["value"] == 1.0
    assert score(([crossed], [true]))["ap50"]["value"] == 0.0


def test_f1_is_told_with_the_score_at_which_it_is_best() -> None:
    found = [place(0, 0.9), place(1, 0.6), place(7, 0.3), place(8, 0.2)]
    table = score((found, [place(0), place(1)]))
    assert table["f1"]["value"] == 1.0
    assert table["f1"]["threshold"] == 0.6
    assert (table["precision"]["value"], table["recall"]["value"]) == (1.0, 1.0)
    assert score(([], [place(0)]))["f1"] == {"value": 0.0, "low": None, "high": None, "threshold": None}


def test_a_centre_is_right_within_a_pixel_and_of_its_class() -> None:
    near, far = [6.0, 6.0, 9.0, 1.0, 70.0, 0.0, 0.9], [8.0, 5.0, 4.0, 4.0, 0.0, 0.0, 0.9]
    assert score(([near], [place(0)]))["centre_f1"]["value"] == 1.0
    assert score(([far], [place(0)]))["centre_f1"]["value"] == 0.0
    assert score(([place(0, 0.9, 1)], [place(0)]), classes=2)["centre_f1"]["value"] == 0.0
    assert score(([place(0, 0.29)], [place(0)]))["centre_f1"]["value"] == 0.0, "not sure enough"


def test_a_draw_is_scored_as_if_its_samples_were_all_there_are() -> None:
    rng = np.random.default_rng(0)

    def make() -> tuple[list[list[float]], list[list[float]]]:
        places = rng.permutation(8)
        true = [place(x, kind=int(rng.integers(2))) for x in places[:4]]
        found = [place(x, float(rng.random()), int(rng.integers(2)), rng.uniform(2, 4)) for x in rng.permutation(8)[:6]]
        return found, true

    samples = [make() for _ in range(6)]
    weights = np.array([2, 0, 1, 3, 0, 1])
    drawn = [sample for sample, weight in zip(samples, weights, strict=True) for _ in range(weight)]
    table = box_scores._join([gather(*samples[:2], classes=2), gather(*samples[2:], classes=2)])
    found = box_scores._measure(table, weights[None].astype(float), 4)
    whole = box_scores._join([gather(*drawn, classes=2)])
    wanted = box_scores._measure(whole, np.ones((1, len(drawn))), len(whole.score))
    for name in ("ap50", "ap", "centre_f1", "ap50 0", "ap 1"):
        assert found[name] == pytest.approx(wanted[name]), name


def test_intervals_cover_the_value_and_a_difference_knows_its_sign() -> None:
    good = [([place(0, 0.9), place(1, 0.8)], [place(0), place(1)])] * 5 + [([place(3, 0.9)], [place(0)])]
    bad = [([place(0, 0.9)], [place(0), place(1)])] * 6
    table = evaluate([gather(*good)], codes=["k"], blocks=range(6), resamples=200)
    assert table["ap50"]["low"] <= table["ap50"]["value"] <= table["ap50"]["high"]
    assert table["ap50"]["low"] < table["ap50"]["high"]
    words = {"seed": 1, "resamples": 100}
    difference = paired_difference([gather(*good)], [gather(*bad)], range(6), "recall", **words)
    assert difference["value"] > 0
    same = paired_difference([gather(*good)], [gather(*good[:3]), gather(*good[3:])], range(6), "ap", **words)
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0}
    with pytest.raises(BadInputError, match=r"Unknown metric 'instance_f1'. Known: ap, ap50"):
        paired_difference([gather(*good)], [gather(*bad)], range(6), "instance_f1")


def test_instances_are_right_above_half_of_their_union() -> None:
    truth = np.zeros((2, 4, 8), dtype=np.int32)
    truth[0, :, :4], truth[0, :, 4:] = 1, 2
    answer = truth.copy()
    answer[0, :, 2:4] = 2  # the first keeps 8 of 16: not above a half; the second has 16 of 24
    assert match_instances(truth, answer).tolist() == [[1, 2, 2], [0, 0, 0]]
    truth[0, :, 2:4] = -1  # unknown pixels count for nobody
    assert match_instances(truth, answer).tolist() == [[2, 2, 2], [0, 0, 0]]
    evidence = {**gather(([], []), ([], [])), "instances": match_instances(truth, answer)}
    assert evaluate([evidence], codes=["k"], blocks=[0, 1], resamples=5)["instance_f1"]["value"] == 1.0


def test_no_sample_is_no_score() -> None:
    with pytest.raises(BadInputError, match="at least one sample"):
        evaluate([], codes=["k"], blocks=[])
