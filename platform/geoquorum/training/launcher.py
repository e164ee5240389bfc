"""Starts `python -m fusion` in a run folder and follows what it writes; knows no database."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_S = 0.5
STOP_S = 10.0
Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the child ended: its exit code (negative: killed by that signal), its last words and its last event."""

    code: int
    words: str
    last_event: Event

    @property
    def cause(self) -> str:
        """One sentence on what went wrong."""
        if self.code < 0:
            return f"The process was killed by {signal.Signals(-self.code).name}."
        reason = self.last_event.get("cause") or self.last_event.get("reason")
        return str(reason or self.words or f"The process ended with exit code {self.code}.")


def launch(folder: Path, verb: str, spec: Path, *, watch: Callable[[list[Event]], None]) -> Outcome:
    """Runs `python -m fusion VERB SPEC --folder FOLDER` to its end; `watch` gets new events every half second.

    What `watch` raises (cancelled, lease lost, time limit) stops the child: SIGTERM, so that it keeps a checkpoint,
    and SIGKILL ten seconds later. The child ends by itself when this process dies.
    """
    log = folder / f"{verb}.log"
    reader = follow(folder / "events.jsonl")
    with log.open("ab") as words:
        child = subprocess.Popen(
            [sys.executable, "-m", "fusion", verb, str(spec), "--folder", str(folder)],
            cwd=folder,
            env=os.environ | {"GEOQUORUM_PARENT_PID": str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    last: Event = {}
    try:
        is_over = False
        while not is_over:
            is_over = child.poll() is not None
            events = next(reader)
            last = events[-1] if events else last
            watch(events)
            if not is_over:
                time.sleep(POLL_S)
    except BaseException:
        stop(child)
        raise
    return Outcome(code=child.returncode, words=_last_line(log), last_event=last)


def follow(path: Path) -> Iterator[list[Event]]:
    """New whole lines of an events file at each step, without end; what stands there now is old."""
    return _read_from(path, path.stat().st_size if path.exists() else 0)


def _read_from(path: Path, place: int) -> Iterator[list[Event]]:
    while True:
        lines: list[bytes] = []
        if path.exists():
            with path.open("rb") as file:
                file.seek(place)
                block = file.read()
            whole = block[: block.rfind(b"\n") + 1]
            place += len(whole)
            lines = whole.splitlines()
        yield [json.loads(line) for line in lines]


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ends the child's whole process group, politely first."""
    for sign, patience in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
        if child.poll() is not None:
            return
        os.killpg(child.pid, sign)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][-500:] if lines else ""
