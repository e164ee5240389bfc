"""Label Studio's JSON: tasks with annotations, in and out (format as its documentation of tasks and exports states).

What it can hold: answer, second choice, unsure, skip (`was_cancelled`), box, seconds to decide (`lead_time`), the
expert. What is lost on the way out: revisions before the last, views opened, times of showing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from fusion.errors import BadInputError, BadVotesError
from fusion.lines import Faults, find_unstorable

ANSWER, SECOND, UNSURE, BOX = "answer", "second", "unsure", "box"
CANCELLED = "0"  # "other": Label Studio knows no reasons to skip
VOTES = pa.schema(
    [
        ("sample", pa.string()),
        ("voter", pa.string()),
        ("code", pa.string()),
        ("second_code", pa.string()),
        ("is_sure", pa.bool_()),
        ("skip_reason", pa.string()),
        ("seconds", pa.float32()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class TaskVote:
    """One vote of a task that is written. `box` is x0, y0, x1, y1 as fractions of the picture."""

    voter: str
    code: str = ""
    second_code: str = ""
    is_sure: bool = True
    skip_reason: str = ""
    seconds: float | None = None
    box: tuple[float, float, float, float] | None = None


def write_tasks(tasks: Iterable[tuple[str, Mapping[str, Any], Iterable[TaskVote]]]) -> Iterator[str]:
    """JSON text in pieces: one task per sample with its key, its data and its votes; memory does not grow."""
    yield "["
    for number, (key, data, votes) in enumerate(tasks, start=1):
        task = {"id": number, "data": {**data, "sample": key}, "annotations": [], "predictions": []}
        task["annotations"] = [_write_vote(place, vote) for place, vote in enumerate(votes, start=1)]
        yield (",\n" if number > 1 else "\n") + json.dumps(task, ensure_ascii=False)
    yield "\n]\n"


def read_tasks(text: bytes, codes: tuple[str, ...], *, key: str = "sample") -> pa.Table:
    """Votes of an export (columns of VOTES); `key` is the name of the sample's key in each task's data.

    BadVotesError lists the first bad tasks by place and id, and then nothing is taken.
    """
    tasks = _parse(text)
    rows: list[dict[str, Any]] = []
    faults = Faults(name="Label Studio file", error=BadVotesError)
    for place, task in enumerate(tasks, start=1):
        try:
            rows += _read_task(task, codes, key)
        except BadInputError as error:
            faults.add(f"task {place}{_say_id(task)}:", str(error))
    faults.raise_if_any()
    if not rows:
        raise BadVotesError("Label Studio file: no task has an annotation. Export it with its annotations.")
    return pa.Table.from_pylist(rows, schema=VOTES)


def _write_vote(place: int, vote: TaskVote) -> dict[str, Any]:
    result = [] if not vote.code else [_choice(ANSWER, vote.code)]
    if vote.second_code:
        result.append(_choice(SECOND, vote.second_code))
    if not vote.is_sure:
        result.append(_choice(UNSURE, "unsure"))
    if vote.box is not None:
        result.append(_rectangle(vote.box, vote.code))
    return {
        "id": place,
        "completed_by": vote.voter,
        "result": result,
        "was_cancelled": bool(vote.skip_reason),
        "skip_reason": vote.skip_reason,
        "ground_truth": False,
        "lead_time": None if vote.seconds is None else round(vote.seconds, 3),
    }


def _choice(name: str, code: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "sample", "type": "choices", "value": {"choices": [code]}}


def _rectangle(box: tuple[float, float, float, float], code: str) -> dict[str, Any]:
    """Percent of the picture's sides, as Label Studio counts them."""
    x0, y0, x1, y1 = (100 * side for side in box)
    value = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "rotation": 0, "rectanglelabels": [code]}
    return {"from_name": BOX, "to_name": "sample", "type": "rectanglelabels", "value": value}


def _parse(text: bytes) -> list[Any]:
    try:
        tasks = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or a number of thousands of digits
        raise BadVotesError(f"This is not a JSON file: {error}. Export it from Label Studio as JSON.") from error
    if not isinstance(tasks, list):
        raise BadVotesError("A Label Studio export is a list of tasks. Choose the format JSON, not JSON-MIN or others.")
    return tasks


def _read_task(task: Any, codes: tuple[str, ...], key: str) -> list[dict[str, Any]]:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get(key), str | int) or data[key] in ("", True, False):
        raise BadInputError(f"its data names no sample under {key!r}")
    annotations = task.get("annotations", [])
    if not isinstance(annotations, list):
        raise BadInputError("its annotations are not a list")
    rows = [{"sample": str(data[key])} | _read_annotation(each, codes) for each in annotations]
    if fault := find_unstorable(*(row[name] for row in rows for name in ("sample", "voter", "skip_reason"))):
        raise BadInputError(fault)
    return rows


def _read_annotation(annotation: Any, codes: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(annotation, dict):
        raise BadInputError("an annotation is not an object")
    chosen = _read_choices(annotation.get("result"))
    is_skip = bool(annotation.get("was_cancelled"))
    code = "" if is_skip else chosen.get(ANSWER, "")
    if not is_skip and not code:
        named = sorted(set(chosen) - {SECOND, UNSURE})
        if len(named) != 1:
            raise BadInputError("an annotation has no single choice; one choices block must hold the class")
        code = chosen[named[0]]
    for one in (code, chosen.get(SECOND, "")):
        if one and one not in codes:
            raise BadInputError(f"{one!r} is not a code; codes are {', '.join(codes)}")
    seconds = annotation.get("lead_time")
    reason = annotation.get("skip_reason")
    return {
        "voter": _read_voter(annotation.get("completed_by")),
        "code": code,
        "second_code": chosen.get(SECOND, ""),
        "is_sure": UNSURE not in chosen,
        "skip_reason": (reason if isinstance(reason, str) and reason else CANCELLED) if is_skip else "",
        "seconds": float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) else None,
    }


def _read_choices(result: Any) -> dict[str, str]:
    """The single choice of each block by the block's name."""
    if not isinstance(result, list):
        raise BadInputError("an annotation has no list of results")
    chosen: dict[str, str] = {}
    for block in result:
        value = block.get("value") if isinstance(block, dict) else None
        if not isinstance(value, dict) or "choices" not in value:
            continue
        choices, name = value["choices"], block.get("from_name")
        if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], str):
            raise BadInputError(f"block {name!r} must hold exactly one choice")
        chosen[str(name)] = choices[0]
    return chosen


def _read_voter(said: Any) -> str:
    """The number or name of who annotated; addresses stay out of our tables."""
    if isinstance(said, dict):
        said = said.get("id")
    if isinstance(said, bool) or not isinstance(said, str | int) or said == "":
        raise BadInputError("an annotation does not say who made it (completed_by)")
    text = str(said)
    if "@" in text:
        raise BadInputError("completed_by is an e-mail address; export with numbers or pseudonyms")
    return text if not text.isdigit() else f"label-studio-{text}"


def _say_id(task: Any) -> str:
    return f" (id {str(task['id'])[:40]})" if isinstance(task, dict) and "id" in task else ""
