"""manage.py consensus as it is called: exit codes, output, and no database."""

import csv
import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from django.core.management import CommandError, call_command

from annotation import consensus
from geoquorum.campaigns.management.commands.consensus import Command

ROOT = Path(__file__).resolve().parents[3]
VOTES = "sample,voter,label\n" + "".join(f"s{n},v{m},{'ab'[n % 2]}\n" for n in range(20) for m in range(3))


def run_command(folder, *words):
    """manage.py in a house of its own, without any service's address."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    command = [sys.executable, str(ROOT / "manage.py"), "consensus", *map(str, words)]
    environment |= {"GEOQUORUM_HOME": str(folder / "house"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
def test_it_labels_a_crowds_votes_without_a_database(tmp_path):
    (tmp_path / "votes.csv").write_text(VOTES)
    answer = run_command(tmp_path, "--votes", "votes.csv", "--out", "labels.csv")
    assert answer.returncode == 0, answer.stderr
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    assert lines[0] == "sample,label,probability"
    assert len(lines) == 21
    assert lines[1].startswith("s0,a,0.9")
    assert not (tmp_path / "house" / "postgres").exists()
    assert "20 samples from 60 votes of 3 voters by item_difficulty" in answer.stdout


def find_status(folder, *words):
    """What manage.py would end with, in this process: seconds of imports are saved."""
    votes, out = str(folder / "votes.csv"), str(folder / "labels.csv")
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "consensus", "--votes", votes, "--out", out, *words])
    return ended.value.code


def test_bad_votes_are_status_1_and_leave_the_old_labels(tmp_path, capsys):
    (tmp_path / "votes.csv").write_text(VOTES + "s1,v1,a\n")
    (tmp_path / "labels.csv").write_text("old")
    assert find_status(tmp_path, "--method", "majority") == 1
    said = capsys.readouterr().err
    assert "line 62 is a second vote of 'v1' on 's1', after line 6" in said
    assert "Traceback" not in said
    assert (tmp_path / "labels.csv").read_text() == "old"


def test_an_unknown_method_is_status_2_with_the_known_ones(tmp_path, capsys):
    assert find_status(tmp_path, "--method", "oracle") == 2
    assert "majority" in capsys.readouterr().err


def label(folder, content, name="votes.csv", method="majority"):
    """The labels that the command writes in this process, as rows; `content` becomes the file of votes."""
    votes, out = folder / name, folder / "labels.csv"
    votes.write_bytes(content if isinstance(content, bytes) else content.encode())
    call_command("consensus", votes=votes, out=out, method=method, stdout=io.StringIO())
    return list(csv.reader(out.open()))[1:]


HEADER = "sample,voter,label\n"
BAD_VOTES = [
    ("", "columns missing: sample, voter, label"),
    ("\n", "columns missing: sample, voter, label"),
    (HEADER, "votes.csv has a header and no row"),
    (HEADER + "\n\n", "votes.csv has a header and no row"),
    ("sample,voter\ns1,v1\n", "columns missing: label"),
    ("sample;voter;label\ns1;v1;a\n", "columns missing: sample, voter, label"),
    ("s1,v1,a\ns1,v2,a\n", "columns missing: sample, voter, label"),
    (HEADER + "s1,v1,a\ns2,v1,a\n", "at least two classes"),
    (HEADER + "s1,v1,a,b\n", "line 2 has 4 cells, the header 3"),
    (HEADER + "s1,v1,a\n\ns2,v1,a\n", "line 3 has no sample"),
    (HEADER + "s1,v1,a\ns1,v2,\n", "line 3 has no label"),
    (HEADER + "s1,v1,a\ns2,v1,b\ns1,v1,b\n", "line 4 is a second vote of 'v1' on 's1', after line 2"),
    (HEADER + "s1,v1,a\ns1,v\x002,a\n", "line 3 holds a NUL byte"),
    (HEADER.encode() + b"s1,v1,caf\xe9\n", "line 2 is not UTF-8"),
    ((HEADER + "s1,v1,a\n").encode("utf-16"), "votes.csv is UTF-16, not UTF-8 text"),
    (b"PK\x03\x04" + b"\0" * 100, "votes.csv is a zip archive or an Excel workbook"),
    (HEADER + 's1,v1,"a\ns2,v1,b\n', "line 2 has a quote that is not closed"),
]


@pytest.mark.parametrize(("content", "words"), BAD_VOTES)
def test_bad_votes_are_refused_in_one_sentence_and_nothing_is_left(tmp_path, content, words):
    with pytest.raises(CommandError, match=words):
        label(tmp_path, content)
    assert [path.name for path in tmp_path.iterdir()] == ["votes.csv"]


def test_a_line_of_a_hundred_megabytes_is_named_and_never_held(tmp_path):
    votes, out = tmp_path / "votes.csv", tmp_path / "labels.csv"
    with votes.open("wb") as file:
        file.write(HEADER.encode())
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b",v1,a\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CommandError, match="line 2 is longer than 1,000,000 bytes"):
        call_command("consensus", votes=votes, out=out)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB
    assert not out.exists()


def test_what_is_no_file_of_votes_is_refused(tmp_path):
    out = tmp_path / "labels.csv"
    (tmp_path / "folder.csv").mkdir()
    for name, words in (
        ("folder.csv", "is a folder"),
        ("gone.csv", "cannot be read: No such file"),
        ("v.xlsx", "end in"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("consensus", votes=tmp_path / name, out=out)
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_said_before_the_votes_are_read(tmp_path):
    votes = tmp_path / "votes.csv"
    votes.write_text(VOTES)
    (tmp_path / "link.csv").symlink_to(votes)
    for out, words in (
        ("", "is a folder"),
        ("none/labels.csv", "There is no folder"),
        ("link.csv", "is the file of votes"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("consensus", votes=votes, out=tmp_path / out)
    assert votes.read_text() == VOTES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "votes.csv"]


def test_labels_may_be_numbers_and_a_byte_order_mark_does_no_harm(tmp_path):
    text = "\ufeffSample,Voter,Label\r\ns1,v1,10\r\ns1,v2,10\r\ns2,v1,9\r\n"
    assert label(tmp_path, text) == [["s1", "10", "1.000000"], ["s2", "9", "1.000000"]]
    table = io.BytesIO()
    parquet.write_table(pa.table({"sample": [1, 1, 2], "voter": [7, 8, 7], "label": [10, 10, 9]}), table)
    assert label(tmp_path, table.getvalue(), "votes.parquet") == [["1", "10", "1.000000"], ["2", "9", "1.000000"]]


@pytest.mark.parametrize("method", sorted(consensus.load_all("class")))
def test_one_voter_is_enough(tmp_path, method):
    rows = label(tmp_path, HEADER + "s1,v1,a\ns2,v1,b\n", method=method)
    assert [row[:2] for row in rows] == [["s1", "a"], ["s2", "b"]]
