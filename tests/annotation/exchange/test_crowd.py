"""Votes of any crowd in, labels out: what is wrong is named by its line, and nothing is half written."""

import csv

import pytest

from annotation import consensus
from annotation.exchange.crowd import read_votes, write_labels
from fusion.errors import BadInputError, BadVotesError

GOOD = "sample,voter,label\ns2,ann,cat\ns1,ann,dog\ns1,bob,dog\ns2,bob,cat\n"


def write(folder, text):
    path = folder / "votes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_labels_are_taken_from_the_file(tmp_path):
    table, codes = read_votes(write(tmp_path, GOOD))
    assert codes == ("cat", "dog")
    assert table.sample_ids == ("s1", "s2")
    assert table.counts().tolist() == [[0, 2], [2, 0]]


def test_a_byte_order_mark_and_other_columns_orders_are_fine(tmp_path):
    text = b"\xef\xbb\xbfvoter,label,sample\r\nann,cat,s1\r\nann,dog,s2\r\n"
    assert read_votes(write(tmp_path, text))[1] == ("cat", "dog")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample,voter\ns1,ann\n", "columns missing: label"),
        (GOOD + "s3,,cat\n", "line 6 has no voter"),
        (GOOD + "s1,bob,cat\n", "line 6 is a second vote of 'bob' on 's1', after line 4"),
        (GOOD + "s3,a\0b,cat\n", "line 6 holds a NUL"),
        (GOOD + "s3,cem\n", "line 6 has 2 cells"),
        (GOOD.encode() + b"s3,\xff,cat\n", "line 6 is not UTF-8"),
        (GOOD + "s3," + "x" * 1_000_001 + ",cat\n", "line 6 is longer"),
        ("", "columns missing"),
        ("sample,voter,label\n", "no row"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path, text, words):
    with pytest.raises(BadInputError, match=words):
        read_votes(write(tmp_path, text))


def test_several_bad_lines_are_all_named(tmp_path):
    with pytest.raises(BadVotesError, match=r"line 6 has no sample; line 7 has no label"):
        read_votes(write(tmp_path, GOOD + ",cem,cat\ns3,cem,\n"))


def test_labels_are_written_whole_and_read_back(tmp_path):
    table, codes = read_votes(write(tmp_path, GOOD))
    out = tmp_path / "labels.csv"
    write_labels(out, consensus.run("majority", table), codes)
    rows = list(csv.reader(out.open()))
    assert rows == [["sample", "label", "probability"], ["s1", "dog", "1.000000"], ["s2", "cat", "1.000000"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "votes.csv"]


def test_a_folder_that_is_not_there_is_an_error_and_leaves_nothing(tmp_path):
    table, codes = read_votes(write(tmp_path, GOOD))
    with pytest.raises(BadInputError, match="cannot be written"):
        write_labels(tmp_path / "none" / "labels.csv", consensus.run("majority", table), codes)
