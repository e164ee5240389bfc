"""Work in a child process: errors come back as they are, crashes and greed end in a sentence, secrets stay outside."""

import json
import os
import signal
import time

import pytest

from fusion.bounded import Bounds, run_bounded
from fusion.errors import BadFileError, BadPhotoError

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


def test_greed_for_memory_and_for_disk_is_refused():
    with pytest.raises(BadFileError, match="needs more memory than is allowed"):
        run("hoard")
    with pytest.raises(BadFileError, match=r"a\.bin"):
        run("write", Bounds(disk_bytes=8 * MEGABYTE))


def test_secrets_of_the_surroundings_are_not_passed_on_and_nothing_is_left_behind(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("DATABASE_URL", "postgres://canary")
    said = json.loads(run("surroundings"))
    assert not {"AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "DJANGO_SECRET_KEY"} & set(said["names"])
    assert not os.path.exists(said["folder"])
