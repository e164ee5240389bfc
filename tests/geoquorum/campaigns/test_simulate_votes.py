"""manage.py simulate_votes: a table and a line of JSON, marked as simulated, without a database."""

import json

import pytest
from django.core.management import CommandError, call_command

SMALL = ["--samples", "200", "--experts", "5", "--votes", "2", "4"]


def test_the_table_names_each_policy_and_says_that_it_is_simulated(capsys):
    call_command("simulate_votes", *SMALL)
    said = capsys.readouterr().out
    lines = said.strip().splitlines()
    assert lines[0].startswith("Simulated")
    assert [line.split()[0] for line in lines[2:]] == ["fixed", "fixed", "adaptive"]


def test_json_is_one_line_with_votes_accuracy_and_hours(capsys):
    call_command("simulate_votes", *SMALL, "--policy", "adaptive", "posterior", "--settle-at", "0.9", "--json")
    line = capsys.readouterr().out.strip()
    assert "\n" not in line
    told = json.loads(line)
    assert told["is_simulated"]
    assert [row["policy"] for row in told["policies"]] == ["adaptive settle_at=0.9", "posterior settle_at=0.9"]
    for row in told["policies"]:
        assert row["low"] < row["accuracy"] < row["high"]
        assert row["hours"] == pytest.approx(row["votes"] * row["seconds"] / 3600)


def test_another_scheme_needs_no_published_table(capsys):
    call_command("simulate_votes", *SMALL, "--scheme", "water", "--accuracy", "0.85", "--seconds", "3", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["scheme"] == "water"
    assert {row["seconds"] for row in told["policies"]} == {3.0}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--votes", "9"], "gives 1 to 5"),
        (["--settle-at", "1.5"], "no probability"),
        (["--scheme", "nonsense"], "Unknown scheme"),
        (["--samples", "1"], "too few"),
        (["--accuracy", "1.2"], "chance"),
        (["--minimum", "6", "--maximum", "4"], "minimum"),
        (["--seconds", "0"], "seconds per vote"),
    ],
)
def test_wishes_that_make_no_sense_are_refused_with_a_sentence(words, complaint):
    with pytest.raises(CommandError, match=complaint):
        call_command("simulate_votes", *SMALL, *words)
