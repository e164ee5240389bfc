"""The server that `manage.py up` starts, on a home of its own, and what its processes cost."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil

ROOT = Path(__file__).resolve().parents[2]
OWN_NAMES = ("DATABASE_URL", "DATABASE_OWNER_URL", "CELERY_BROKER_URL", "DJANGO_SECRET_KEY", "DJANGO_SETTINGS_MODULE")
PARTS = {"web": "granian", "postgres": "bin/postgres", "housekeeping": "reap --every"}
UP_WITHIN_S = 180


class House:
    """`with House(home, port, {"GEOQUORUM_VOTES_PER_S": "3"}) as house:`; everything ends with the block."""

    def __init__(self, home: Path, port: int, extra: dict[str, str]) -> None:
        self.home, self.port = home, port
        kept = {name: value for name, value in os.environ.items() if name not in OWN_NAMES}
        self._environment = kept | {"GEOQUORUM_HOME": str(home)} | extra
        self.lines: list[str] = []

    def __enter__(self) -> "House":
        command = [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + UP_WITHIN_S
        while not any("Geoquorum is at" in line for line in self.lines):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the server did not start:\n" + "\n".join(self.lines))
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()  # an interrupt is ignored by what a shell starts in the background
        self.process.wait(60)

    def cpu_s(self, part: str) -> float:
        """CPU seconds of a part so far: its first process, the living below it, and those that have ended."""
        first = self._first(part)
        total = sum(first.cpu_times()[:4])
        for child in first.children(recursive=True):
            try:
                total += sum(child.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        return total

    @contextmanager
    def held(self, part: str, *, is_held: bool) -> Iterator[None]:
        """Inside, the part stands still, if it shall."""
        process = self._first(part)
        if is_held:
            process.suspend()
        try:
            yield
        finally:
            process.resume()

    def manage(self, *arguments: str) -> str:
        """What a command of manage.py says."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True).stdout

    def _first(self, part: str) -> psutil.Process:
        for child in psutil.Process(self.process.pid).children():
            if PARTS[part] in " ".join(child.cmdline()):
                return child
        raise SystemExit(f"{part} does not run")

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(line.rstrip() for line in self.process.stdout)
