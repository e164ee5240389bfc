"""Supervisor: starts services in order, brings back what dies, stops all; and nothing survives it."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedError
from .guardian import Guardian
from .locks import lock_home
from .processes import end_all
from .service import Child, Service

LOOK_EVERY_S = 0.1
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
STEADY_AFTER_S = 15.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(kw_only=True)
class Slot:
    """One supervised service: the process of the moment, or the time at which it is tried again."""

    service: Service
    stage: int
    child: Child | None = None
    is_ready: bool = False
    pause_s: float = FIRST_PAUSE_S
    try_at: float = 0.0


class Supervisor:
    """One per home. `with Supervisor(home) as supervisor: supervisor.start(...); supervisor.wait()`.

    Each call of start() is one stage: its services start together and stop together, the last stage first.
    SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread, once.
    """

    def __init__(self, home: Path, *, say: Callable[[str], None] = print) -> None:
        self.home, self.say = home, say
        self._lock = lock_home(home, say=say)
        self._guardian = Guardian(locks=(self._lock,))
        self._slots: list[Slot] = []
        self._stage = 0
        self._is_stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> "Supervisor":
        # What is ignored stays so: nohup starts us with SIGHUP ignored.
        heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._handlers = {number: signal.signal(number, self._on_signal) for number in heard}
        self._has_signal = False
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_signal = True
        self.stop()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self, *services: Service) -> None:
        """Start these together; returns when each is ready. EmbeddedError when one is not."""
        self._stage += 1
        started = [Slot(service=service, stage=self._stage) for service in services]
        for slot in started:
            slot.child = Child(slot.service, self._guardian, stage=slot.stage)
        for slot in started:
            slot.child.wait_ready()
            self._settle(slot)
            self._slots.append(slot)

    def wait(self) -> None:
        """Until a signal asks us to end."""
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            self.say("")

    def stop(self) -> None:
        """Everything, in reverse order; a second call does nothing."""
        if self._is_stopping.is_set():
            return
        self._is_stopping.set()
        self._watcher.join()
        running = [slot.child for slot in self._slots if slot.child]
        end_all([child.watched for child in running])
        for child in reversed(running):
            child.collect()
            self.report(child.service.name, "stopped")
        self._guardian.dismiss()
        os.close(self._lock)

    def report(self, name: str, what: str) -> None:
        """One line about one service."""
        self.say(f"{name:<17}{what}")

    def _on_signal(self, number: int, frame: object) -> None:
        if not self._has_signal:
            self._has_signal = True
            raise KeyboardInterrupt

    def _watch(self) -> None:
        while not self._is_stopping.wait(LOOK_EVERY_S):
            self._guardian.ensure_alive()
            for slot in list(self._slots):
                if not self._is_stopping.is_set():
                    self._look_at(slot)

    def _look_at(self, slot: Slot) -> None:
        """One step of one service's life: start again, notice its end, or notice that it is ready."""
        child = slot.child
        try:
            if child is None:
                if time.monotonic() >= slot.try_at:
                    slot.child = Child(slot.service, self._guardian, stage=slot.stage)
            elif not child.is_alive:
                self._bury(slot, f"ended ({_describe(child.process.returncode)})")
            elif not slot.is_ready and child.check_ready():
                self._settle(slot)
        except EmbeddedError as error:
            self._bury(slot, str(error))

    def _settle(self, slot: Slot) -> None:
        slot.is_ready = True
        self.report(slot.service.name, f"ready    {slot.service.address}".rstrip())

    def _bury(self, slot: Slot, why: str) -> None:
        """End what is left of the service, and try again after a pause that grows while it does not hold."""
        child, slot.child = slot.child, None
        if child:
            if time.monotonic() - child.started_at > STEADY_AFTER_S:
                slot.pause_s = FIRST_PAUSE_S
            child.stop()
        self.report(slot.service.name, f"{why}; again in {slot.pause_s:g} s")
        slot.is_ready, slot.try_at = False, time.monotonic() + slot.pause_s
        slot.pause_s = min(slot.pause_s * 2, LONGEST_PAUSE_S)


def _describe(status: int) -> str:
    return f"status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
