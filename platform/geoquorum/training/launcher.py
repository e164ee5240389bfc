"""Starts `python -m fusion` in a run folder and follows what it writes; knows no database."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fusion.errors import GeoquorumError
from geoquorum.embedded.processes import end_marked
from geoquorum.queue.devices import show_only
from geoquorum.training.events import Event, EventReader, clean_text

POLL_S = 0.5
# A run that is cancelled is gone within ten seconds: two for its job to hear of it, these to keep a checkpoint.
STOP_S = 7.0
MEASURE_S = 10.0
MARK = "GEOQUORUM_LAUNCH"
LOG_BYTES, KEPT_LOG_BYTES = 20_000_000, 1_000_000
LAST_WORDS_BYTES = 16_384
EVENTS_BYTES = 256_000_000  # a million events; a run of a day writes a fifth of that
TORCHRUN = ("-m", "torch.distributed.run", "--standalone")


class TooMuchError(GeoquorumError):
    """A child that fills the disk; it is stopped."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the child ended: its exit code (negative: killed by that signal), its last words and its last event."""

    code: int
    words: str
    last_event: Event

    @property
    def cause(self) -> str:
        """One sentence on what went wrong."""
        if self.code == -signal.SIGKILL:
            return "The process was killed by SIGKILL, as a machine without free memory does."
        if self.code < 0:
            return f"The process was killed by {signal.Signals(-self.code).name}."
        reason = self.last_event.get("cause") or self.last_event.get("reason")
        return clean_text(str(reason or self.words or f"The process ended with exit code {self.code}."))


def launch(
    folder: Path,
    verb: str,
    spec: Path,
    *,
    watch: Callable[[list[Event]], None],
    devices: Sequence[str] = (),
    processes: int = 1,
    most_bytes: int | None = None,
) -> Outcome:
    """Runs `python -m fusion VERB SPEC --folder FOLDER` to its end; `watch` gets new events every half second.

    It sees the `devices` alone, where any are given; several `processes` share the work under torchrun. What `watch`
    raises (cancelled, lease lost, time limit) stops the child: SIGTERM, so that it keeps a checkpoint, and SIGKILL
    seven seconds later; so does a folder that holds more than `most_bytes`. No process of it is left behind, and it
    ends by itself when this process dies.
    """
    log, mark = folder / f"{verb}.log", secrets.token_hex(8)
    reader = EventReader(folder / "events.jsonl")
    surroundings = {"GEOQUORUM_PARENT_PID": str(os.getpid()), MARK: mark, **show_only(devices)}
    with log.open("ab") as words:
        child = subprocess.Popen(
            [sys.executable, *_name_program(verb, spec, folder, processes)],
            cwd=folder,
            env=os.environ | surroundings,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        last = _attend(child, reader, watch, _Bounds(folder, log, most_bytes))
    finally:
        stop(child, mark)
    code = _find_code(log, child.returncode) if processes > 1 else child.returncode
    return Outcome(code=code, words=_last_line(log), last_event=last)


def _name_program(verb: str, spec: Path, folder: Path, processes: int) -> list[str]:
    several = [*TORCHRUN, f"--nproc_per_node={processes}"] if processes > 1 else []
    return [*several, "-m", "fusion", verb, str(spec), "--folder", str(folder)]


def _attend(
    child: subprocess.Popen[bytes],
    reader: EventReader,
    watch: Callable[[list[Event]], None],
    bounds: "_Bounds",
) -> Event:
    """Until the child has ended and all it wrote is told; its last event."""
    last: Event = {}
    is_over = False
    while not is_over or reader.has_more:
        is_over = is_over or child.poll() is not None
        events = reader.read()
        last = events[-1] if events else last
        watch(events)
        bounds.check()
        if not is_over and not reader.has_more:
            time.sleep(POLL_S)
    return last


def stop(child: subprocess.Popen[bytes], mark: str = "") -> None:
    """Ends the child and every process it started, politely first."""
    for sign, patience in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
        if child.poll() is not None:
            break
        with suppress(ProcessLookupError):
            os.killpg(child.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # its group, when it left some of it behind
    if mark:
        end_marked(MARK, mark)  # torchrun's processes have sessions of their own


class _Bounds:
    """What a child may write: a log that is cut short, events and a folder that end it when they grow too large."""

    def __init__(self, folder: Path, log: Path, most_bytes: int | None) -> None:
        self.folder, self.log, self.most_bytes = folder, log, most_bytes
        self.events = folder / "events.jsonl"
        self._measured_at = time.monotonic()

    def check(self) -> None:
        """Raises TooMuchError; measures the whole folder every ten seconds."""
        if self.log.stat().st_size > LOG_BYTES:
            _shorten(self.log)
        if self.events.exists() and self.events.stat().st_size > EVENTS_BYTES:
            raise TooMuchError(
                f"{self.events} is larger than {EVENTS_BYTES // 1_000_000} MB: the process tells more than a run can "
                "have to tell, and was stopped."
            )
        if self.most_bytes is not None and time.monotonic() - self._measured_at >= MEASURE_S:
            self._measured_at = time.monotonic()
            self._check_folder(self.most_bytes)

    def _check_folder(self, most_bytes: int) -> None:
        found = measure(self.folder)
        if found > most_bytes:
            raise TooMuchError(
                f"{self.folder} holds {found / 1e6:,.0f} MB, more than the {most_bytes / 1e6:,.0f} MB that one run may "
                "write (GEOQUORUM_RUN_FOLDER_MB): the run was stopped. Keep fewer checkpoints, or a smaller network."
            )


def measure(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed, and what vanishes meanwhile counts as nothing."""
    total = 0
    for place, _folders, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def _shorten(log: Path) -> None:
    """Keep the end. The child appends, so that what it writes next stands behind that.

    What it writes in the instant between the last read and the cut is lost with the middle of the log.
    """
    with log.open("r+b") as file:
        file.seek(-KEPT_LOG_BYTES, os.SEEK_END)
        end = b""
        while more := file.read():
            end += more
        file.truncate(0)
    with log.open("ab") as file:
        file.write(b"... earlier lines were left out\n" + end[end.find(b"\n") + 1 :])


def _find_code(log: Path, code: int) -> int:
    """torchrun answers 1 for whatever happened to its processes; its last words tell how the first of them ended."""
    told = re.findall(r"exitcode\s*:\s*(-?\d+)", _read_end(log))
    return int(told[-1]) if code == 1 and told else code


def _last_line(log: Path) -> str:
    lines = [line for line in _read_end(log).splitlines() if line.strip()]
    return lines[-1][-500:] if lines else ""


def _read_end(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_WORDS_BYTES))
        return file.read().decode("utf-8", errors="replace")
