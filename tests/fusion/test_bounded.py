"""On row C5: errors of a child come back as they are, crashes and greed end in a sentence, secrets stay outside."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from fusion.bounded import Bounds, run_bounded
from fusion.errors import BadFileError, BadPhotoError
from tests.listening import listen

HERE = "tests.fusion.test_bounded"
MEGABYTE = 2**20


def answer(words: str) -> bytes:
    return words.encode()


def refuse() -> bytes:
    raise BadPhotoError("a.jpg is no photo.")


def crash() -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def loop() -> bytes:
    while True:
        pass


def hoard() -> bytes:
    return b"x" * (2**33)


def write() -> bytes:
    with open("big", "wb") as file:
        for _ in range(64):
            file.write(b"x" * MEGABYTE)
    return b""


def leave_one_behind() -> bytes:
    """Starts a process that would live on, and then loops itself."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.environ["TOLD"]).write_text(str(other.pid))
    return loop()


def surroundings() -> bytes:
    return json.dumps({"names": sorted(os.environ), "folder": os.getcwd()}).encode()


def run(name: str, bounds: Bounds | None = None, **words: str) -> bytes:
    return run_bounded(f"{HERE}:{name}", about="a.bin", bounds=bounds, **words)


def test_an_answer_comes_back_whole():
    assert run("answer", words="grüß") == "grüß".encode()


def test_an_error_of_the_project_comes_back_as_it_was():
    with pytest.raises(BadPhotoError, match=r"^a\.jpg is no photo\.$"):
        run("refuse")


def test_a_crash_ends_in_a_sentence():
    with pytest.raises(BadFileError, match=r"a\.bin: its reader broke down on it \(SIGSEGV\)"):
        run("crash")


def test_an_endless_loop_is_ended_in_time():
    began = time.monotonic()
    with pytest.raises(BadFileError, match=r"a\.bin: reading it took too long"):
        run("loop", Bounds(seconds=1))
    assert time.monotonic() - began < 6


def is_alive(number: int) -> bool:
    """Whether a process works on; one that has ended may wait for its parent to hear of it."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_a_child_started_is_ended_with_it(tmp_path):
    told = tmp_path / "told"
    with pytest.raises(BadFileError, match="took too long"):
        run_bounded(
            f"{HERE}:leave_one_behind", about="a.bin", bounds=Bounds(seconds=1.2), surroundings={"TOLD": str(told)}
        )
    until = time.monotonic() + 5
    while is_alive(int(told.read_text())) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(int(told.read_text()))


def test_greed_for_memory_and_for_disk_is_refused():
    with pytest.raises(BadFileError, match="needs more memory than is allowed"):
        run("hoard")
    with pytest.raises(BadFileError, match=r"a\.bin"):
        run("write", Bounds(disk_bytes=8 * MEGABYTE))


def call(url: str) -> bytes:
    """Whether a library that heeds the surroundings reaches an address."""
    try:
        return urllib.request.urlopen(url, timeout=5).read()
    except urllib.error.HTTPError:
        return b"reached"
    except OSError:
        return b"nobody there"


def test_a_child_calls_nobody():
    with listen() as listener:
        url = f"http://127.0.0.1:{listener.port}/x"
        assert run("call", url=url) == b"nobody there"
        assert listener.heard == []
        assert call(url) == b"reached", "the listener must be able to hear"


def test_secrets_of_the_surroundings_are_not_passed_on_and_nothing_is_left_behind(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("DATABASE_URL", "postgres://canary")
    said = json.loads(run("surroundings"))
    assert not {"AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "DJANGO_SECRET_KEY"} & set(said["names"])
    assert not os.path.exists(said["folder"])
