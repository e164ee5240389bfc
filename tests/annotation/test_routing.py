"""Who sees what next: own random orders, least voted first, and blind."""

import numpy as np

from annotation import routing


def test_an_experts_order_is_the_same_every_time_and_not_that_of_another():
    ann = routing.order_samples(5, "ann", 2000)
    assert sorted(ann.tolist()) == list(range(2000))
    assert (ann == routing.order_samples(5, "ann", 2000)).all()
    for other in (routing.order_samples(5, "bob", 2000), routing.order_samples(6, "ann", 2000)):
        assert abs(np.corrcoef(np.argsort(ann), np.argsort(other))[0, 1]) < 0.08


def test_the_least_voted_come_first_in_the_experts_own_order():
    order, taken = np.array([4, 2, 0, 3, 1]), np.array([1, 0, 1, 0, 3])
    assert routing.choose(order, taken, wanted=3, count=9).tolist() == [3, 1, 2, 0]


def test_full_and_seen_samples_are_left_out():
    seen = np.array([True, False, False])
    assert routing.choose([0, 1, 2], [0, 1, 0], wanted=1, count=5, seen=seen).tolist() == [2]


def test_nobody_is_handed_more_than_asked_for():
    assert routing.choose(np.arange(50), np.zeros(50), wanted=1, count=5).tolist() == [0, 1, 2, 3, 4]


def test_ten_experts_fill_a_quota_evenly():
    taken = np.zeros(100, int)
    orders = [routing.order_samples(1, f"expert {number}", 100) for number in range(10)]
    seen = np.zeros((10, 100), bool)
    for _ in range(30):
        for number, order in enumerate(orders):
            for place in routing.choose(order, taken, wanted=3, count=1, seen=seen[number]):
                taken[place] += 1
                seen[number, place] = True
                assert taken.max() - taken.min() <= 1
    assert (taken == 3).all()
