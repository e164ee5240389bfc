"""events.jsonl as a child writes it: whole lines, torn lines, and what is no event at all."""

import json

import pytest

from geoquorum.training import events
from geoquorum.training.events import EventReader, parse_event


def test_events_come_once_they_are_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    reader = EventReader(path)
    assert reader.read() == []
    path.write_text('{"event": "start", "step": 0}\n{"event": "st')
    assert reader.read() == [{"event": "start", "step": 0}]
    assert reader.read() == []
    with path.open("a") as file:
        file.write('ep", "step": 1, "loss": 1.5}\n')
    assert reader.read() == [{"event": "step", "step": 1, "loss": 1.5}]


def test_letters_of_several_bytes_may_be_torn(tmp_path):
    path = tmp_path / "events.jsonl"
    reader = EventReader(path)
    line = json.dumps({"event": "failed", "cause": "Größe"}, ensure_ascii=False).encode() + b"\n"
    place = line.index("ö".encode()) + 1
    path.write_bytes(line[:place])
    assert reader.read() == []
    path.write_bytes(line)
    assert reader.read()[0]["cause"] == "Größe"


def test_what_an_earlier_attempt_wrote_is_not_told_again(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "start", "step": 0}\n{"event": "torn by a ki')
    reader = EventReader(path)
    with path.open("a") as file:
        file.write('{"event": "start", "step": 0, "resumed": true}\n')
    assert reader.read() == [{"event": "start", "step": 0, "resumed": True}]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"null", b"[1]", b'"step"', b"{}", b'{"event": 3}', b'{"event": "step"}',
        b'{"event": "step", "step": "1"}', b'{"event": "step", "step": true}', b'{"event": "epoch", "step": -1}',
        b'{"event": "step", "step": 1.5}', b'{"event": "step", "step": 1e999}', b"\xff\xfe\x00", b"[" * 9_000,
        b'{"event": "step", "step": ' + b"9" * 5_000 + b"}", b'{"event": "failed", "cause": "' + b"x" * 20_000 + b'"}',
    ],
)  # fmt: skip
def test_what_is_no_event_is_left_out(line):
    assert parse_event(line) is None


def test_an_event_holds_nothing_that_a_database_refuses():
    words = b'"loss": NaN, "share": "all", "accuracy": 1e999, "said": "a\\u0000b\\ud800", "n": [1e999]'
    line = b'{"event": "step", "step": 2, ' + words + b"}"
    event = parse_event(line)
    assert event == {"event": "step", "step": 2, "loss": None, "accuracy": None, "said": "ab?", "n": [None]}


def test_a_line_without_an_end_is_thrown_away_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "MOST_AT_ONCE_BYTES", 100)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * 250 + b'\n{"event": "done"}\n')
    found = []
    reader = EventReader(tmp_path / "nothing")
    reader.path = path
    for _ in range(10):
        found += reader.read()
        if not reader.has_more:
            break
    assert found == [{"event": "done"}]
