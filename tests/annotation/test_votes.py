"""The table of votes: ids become places, and what contradicts itself is refused by name."""

import numpy as np
import pytest

from annotation import votes
from fusion.errors import BadVotesError

CODES = ("a", "b", "c")


def three_votes(**changes):
    columns = {"sample": ["s2", "s1", "s1"], "voter": ["ann", "ann", "bob"], "answer": ["c", "a", "b"]}
    return votes.from_records(**{**columns, "codes": CODES, **changes})


def test_ids_are_sorted_and_counts_follow_them():
    table = three_votes()
    assert table.sample_ids == ("s1", "s2")
    assert table.voter_ids == ("ann", "bob")
    assert table.counts().tolist() == [[1, 1, 0], [0, 0, 1]]
    assert table.shares().tolist() == [[0.5, 0.5, 0], [0, 0, 1]]


def test_the_order_of_records_changes_no_count_and_no_matrix():
    turned = votes.from_records(
        sample=["s1", "s1", "s2"], voter=["bob", "ann", "ann"], answer=["b", "a", "c"], codes=CODES
    )
    assert (turned.counts() == three_votes().counts()).all()
    assert (turned.matrix != three_votes().matrix).nnz == 0


def test_the_matrix_holds_each_vote_in_the_column_of_its_voter_and_answer():
    dense = three_votes().matrix.toarray()
    assert dense[1].tolist() == [0, 0, 1, 0, 0, 0]
    assert dense[0].tolist() == [1, 0, 0, 0, 1, 0]


def test_number_ids_work_as_well_as_text():
    table = votes.from_records(sample=np.array([7, 3]), voter=[1, 1], answer=["a", "b"], codes=CODES)
    assert table.sample_ids == (3, 7)
    assert table.answer[table.sample == 0].tolist() == [1]


def test_sure_and_seconds_stay_with_their_vote():
    table = three_votes(sure=[True, False, True], seconds=[1.0, 2.0, 3.0])
    assert table.seconds[~table.sure].tolist() == [2.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer": ["c", "x", "b"]}, "Vote 2 answers 'x'"),
        ({"answer": ["c", None, "b"]}, "Vote 2 answers None"),
        ({"voter": ["ann", "ann", None]}, "Vote 3 names no voter"),
        ({"voter": ["ann", "ann", "ann"]}, "Voter 'ann' has more than one vote on sample 's1'"),
        ({"voter": ["ann", "ann"]}, "differ in length"),
        ({"seconds": [1.0]}, "differ in length"),
    ],
)
def test_votes_that_contradict_themselves_are_refused(changes, words):
    with pytest.raises(BadVotesError, match=words):
        three_votes(**changes)


def test_an_index_outside_the_scheme_is_refused():
    one = np.zeros(1, np.int32)
    with pytest.raises(BadVotesError, match=r"answer index 3, outside 0\.\.2"):
        votes.VoteTable(sample=one, voter=one, answer=one + 3, n_classes=3, sample_ids=("s",), voter_ids=("v",))
