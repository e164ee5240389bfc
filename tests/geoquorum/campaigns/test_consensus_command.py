"""manage.py consensus as it is called: exit codes, output, and no database."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
VOTES = "sample,voter,label\n" + "".join(f"s{n},v{m},{'ab'[n % 2]}\n" for n in range(20) for m in range(3))


def run_command(folder, *words):
    """manage.py in a house of its own, without any service's address."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    command = [sys.executable, str(ROOT / "manage.py"), "consensus", *map(str, words)]
    environment |= {"GEOQUORUM_HOME": str(folder / "house"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


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


def test_bad_votes_are_status_1_and_leave_the_old_labels(tmp_path):
    (tmp_path / "votes.csv").write_text(VOTES + "s1,v1,a\n")
    (tmp_path / "labels.csv").write_text("old")
    answer = run_command(tmp_path, "--votes", "votes.csv", "--out", "labels.csv", "--method", "majority")
    assert answer.returncode == 1
    assert "line 62 is a second vote of 'v1' on 's1', after line 6" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert (tmp_path / "labels.csv").read_text() == "old"


def test_an_unknown_method_is_status_2_with_the_known_ones(tmp_path):
    answer = run_command(tmp_path, "--votes", "votes.csv", "--out", "labels.csv", "--method", "oracle")
    assert answer.returncode == 2
    assert "majority" in answer.stderr
