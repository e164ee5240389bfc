"""events.jsonl as it grows, read with care: what a child writes there may be torn, wrong, or far too much."""

import json
import math
from pathlib import Path
from typing import Any

Event = dict[str, Any]
MOST_AT_ONCE_BYTES = 1 << 20  # of one look; the rest is read at the next
LONGEST_LINE_BYTES = 1 << 14
LARGEST_WHOLE = 2**53
PLACED = ("step", "epoch")  # points of a curve: without their step they are nothing
NUMBERS = (
    "time", "epoch", "steps", "share", "eta_s", "loss", "accuracy", "learning_rate", "images_per_second",
    "validation_loss", "validation_accuracy",
)  # fmt: skip


class EventReader:
    """New whole lines of an events file at each look; what stands there when it is made is old.

    A line that is no event is left out: no JSON object, no word for the event, a step that is no number, or more than
    LONGEST_LINE_BYTES. Numbers that are not finite are None.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.has_more = False
        self._place = path.stat().st_size if path.exists() else 0
        self._is_torn = False

    def read(self) -> list[Event]:
        """The events of one look; with `has_more` the next one has something to read at once."""
        block = self._read_block()
        whole = block[: block.rfind(b"\n") + 1]
        self.has_more = len(block) == MOST_AT_ONCE_BYTES
        is_endless = self.has_more and not whole
        self._place += len(block) if is_endless else len(whole)
        lines = whole.splitlines()
        if self._is_torn and lines:
            del lines[0]  # the end of a line whose beginning was thrown away
        self._is_torn = is_endless or (self._is_torn and not whole)
        return [event for line in lines if (event := parse_event(line)) is not None]

    def _read_block(self) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            file.seek(self._place)
            return file.read(MOST_AT_ONCE_BYTES)


def parse_event(line: bytes) -> Event | None:
    """One line as an event with clean values, or None."""
    if len(line) > LONGEST_LINE_BYTES:
        return None
    try:
        event = _clean(json.loads(line))
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    if event["event"] in PLACED and not is_whole(event.get("step")):
        return None
    return {key: value for key, value in event.items() if _is_plausible(key, value)}


def is_whole(value: Any) -> bool:
    """A whole number from 0 on; True is none."""
    return type(value) is int and value >= 0


def is_number(value: Any) -> bool:
    """A number; True is none."""
    return type(value) in (int, float)


def clean_text(text: str, longest: int = 2000) -> str:
    """What PostgreSQL can hold of a text."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:longest]


def _is_plausible(key: str, value: Any) -> bool:
    return is_whole(value) if key == "step" else value is None or key not in NUMBERS or is_number(value)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_WHOLE else None
    if isinstance(value, list):
        return [_clean(part) for part in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(part) for key, part in value.items()}
    return value
