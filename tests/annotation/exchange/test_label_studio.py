"""Label Studio's JSON goes out and comes in again; what is wrong in it is named by task."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.exchange.label_studio import TaskVote, read_tasks, write_tasks
from fusion.errors import BadVotesError

CODES = ("1", "2", "A")


def task(**changes: Any) -> dict[str, Any]:
    result = [{"from_name": "lcz", "to_name": "patch", "type": "choices", "value": {"choices": ["2"]}}]
    annotation = {"completed_by": 7, "lead_time": 4.2, "was_cancelled": False, "result": result} | changes
    return {"id": 3, "data": {"sample": "cell-1", "image": "x.png"}, "annotations": [annotation]}


def read(*tasks: Any) -> list[dict[str, Any]]:
    return read_tasks(json.dumps(tasks).encode(), CODES).to_pylist()


def test_what_is_written_is_read_back() -> None:
    votes = [
        TaskVote(voter="X1", code="2", seconds=3.5),
        TaskVote(voter="X2", code="A", second_code="1", is_sure=False, box=(0.1, 0.2, 0.5, 0.6)),
        TaskVote(voter="X3", skip_reason="3"),
    ]
    text = "".join(write_tasks([("cell-1", {"image": "a.png"}, votes), ("Straße <b>", {}, [votes[0]])]))
    rows = read_tasks(text.encode(), CODES).to_pylist()
    assert [(row["sample"], row["voter"], row["code"]) for row in rows] == [
        ("cell-1", "X1", "2"),
        ("cell-1", "X2", "A"),
        ("cell-1", "X3", ""),
        ("Straße <b>", "X1", "2"),
    ]
    assert rows[0]["seconds"] == pytest.approx(3.5)
    assert (rows[1]["second_code"], rows[1]["is_sure"], rows[2]["skip_reason"]) == ("1", False, "3")
    (box,) = [part for part in json.loads(text)[0]["annotations"][1]["result"] if part["type"] == "rectanglelabels"]
    assert box["value"]["x"] == pytest.approx(10)
    assert box["value"]["width"] == pytest.approx(40)


def test_no_task_gives_an_empty_list() -> None:
    assert json.loads("".join(write_tasks([]))) == []


def test_an_export_of_the_tool_itself_is_read_whatever_its_block_is_called() -> None:
    (row,) = read(task())
    assert (row["voter"], row["code"], row["is_sure"]) == ("label-studio-7", "2", True)
    (skipped,) = read(task(was_cancelled=True, result=[]))
    assert (skipped["code"], skipped["skip_reason"]) == ("", "0")
    (named,) = read(task(completed_by={"id": 9, "email": "a@b.example"}))
    assert named["voter"] == "label-studio-9"


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (task(result=[{"from_name": "z", "value": {"choices": ["9"]}}]), "task 2 .id 3.: '9' is not a code"),
        (task(result=[]), "no single choice"),
        (task(result=[{"from_name": "z", "value": {"choices": ["1", "2"]}}]), "exactly one choice"),
        (task(result="x"), "no list of results"),
        (task(completed_by=None), "does not say who"),
        (task(completed_by="a@b.example"), "e-mail address"),
        (task(completed_by="\0"), "NUL byte"),
        (task(completed_by="\ud83d"), "half of a character"),
        ({"id": 4, "data": {}}, "names no sample"),
        ({"data": None}, "task 2: its data names no sample"),
        ("x", "names no sample"),
        ({"data": {"sample": "s"}, "annotations": {}}, "not a list"),
        ({"data": {"sample": "s"}, "annotations": [3]}, "not an object"),
    ],
)
def test_a_bad_task_is_named_and_nothing_is_taken(bad: Any, match: str) -> None:
    with pytest.raises(BadVotesError, match=match) as caught:
        read(task(), bad)
    assert "Nothing was taken" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"{}", "list of tasks"),
        (b"\xff", "not a JSON"),
        (b"[" * 100_000, "not a JSON"),
        (b"[" + b"9" * 5_000 + b"]", "not a JSON"),
        (b"[]", "no task has"),
    ],
)
def test_what_is_no_export_is_refused(text: bytes, match: str) -> None:
    with pytest.raises(BadVotesError, match=match):
        read_tasks(text, CODES)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert len(read_tasks(b"\xef\xbb\xbf" + json.dumps([task()]).encode(), CODES)) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "sample", "annotations", "result", "value", "choices"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_no_json_raises_anything_but_a_clear_refusal(value: Any) -> None:
    with contextlib.suppress(BadVotesError):
        read_tasks(json.dumps(value).encode(), CODES)
