"""A tiny process that outlives its owner by seconds: when the owner dies, it ends every service the owner had started.

The owner holds the writing end of a pipe to our standard input. Each line names a service to watch or to forget;
the end of the pipe means that the owner is gone, whatever killed it.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .processes import Watched, end_all

SOURCE_ROOT = Path(__file__).resolve().parents[2]


class Guardian:
    """The owner's side. `locks` are file descriptors that stay locked until the guardian has finished, too."""

    def __init__(self, *, locks: Sequence[int] = ()) -> None:
        self._locks = tuple(locks)
        self._watched: dict[int, Watched] = {}
        self._turn = threading.Lock()
        self._process = self._start()

    def watch(self, one: Watched) -> None:
        """From now on this service ends when we die."""
        self._watched[one.pid] = one
        self._tell({"watch": asdict(one)})

    def forget(self, one: Watched) -> None:
        """This service has ended."""
        self._watched.pop(one.pid, None)
        self._tell({"forget": one.pid})

    def ensure_alive(self) -> bool:
        """Start the guardian again if somebody killed it. True when it was alive."""
        if self._process.poll() is None:
            return True
        self._process = self._start()
        for one in self._watched.values():
            self._tell({"watch": asdict(one)})
        return False

    def dismiss(self) -> None:
        """The owner needs it no more; what is still watched ends now."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=60)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": f"{SOURCE_ROOT}:{SOURCE_ROOT.parent}"},
            cwd="/",
            pass_fds=self._locks,
            start_new_session=True,
        )

    def _tell(self, word: dict[str, object]) -> None:
        # A guardian that was killed is started again by ensure_alive, and then told everything.
        with self._turn, contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(word).encode() + b"\n")
            self._process.stdin.flush()


def main() -> None:
    """The guardian's side: read until the pipe ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: dict[int, Watched] = {}
    for line in sys.stdin:
        word = json.loads(line)
        if "watch" in word:
            one = Watched(**word["watch"])
            watched[one.pid] = one
        else:
            watched.pop(word["forget"], None)
    end_all(list(watched.values()))


if __name__ == "__main__":
    main()
