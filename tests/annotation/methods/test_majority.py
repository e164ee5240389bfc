"""Most votes win, and ties say so."""

import numpy as np

from annotation import consensus, votes


def test_a_tie_is_flagged_and_takes_the_first_class_of_the_scheme():
    table = votes.from_records(
        sample=["s1", "s1", "s2", "s2", "s2"],
        voter=["ann", "bob", "ann", "bob", "cem"],
        answer=["c", "b", "c", "c", "a"],
        codes=("a", "b", "c"),
    )
    result = consensus.run("majority", table)
    assert result.label.tolist() == [1, 2]
    assert result.is_tie.tolist() == [True, False]
    assert result.is_disputed.tolist() == [True, False]
    np.testing.assert_allclose(result.distribution[1], [1 / 3, 0, 2 / 3], atol=1e-6)
    np.testing.assert_allclose(result.agreement, [0.5, 2 / 3], atol=1e-6)
    assert result.effective_votes.tolist() == [2, 3]
    assert result.confusion is None
