"""Work on a file from outside, in a child process with bounds on time and memory: what breaks there, ends there.

Decoders crash, loop and allocate without end on files that somebody made for it. `run_bounded` calls a function
`module:name` of this project in a fresh process whose surroundings hold no secrets, and returns its bytes.
"""

import contextlib
import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion import errors

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONDONTWRITEBYTECODE")
ANSWER, FAULT, REQUEST = "answer", "fault.json", "request.json"
TOO_LONG, TOO_MUCH = -24, -25  # as ended by SIGXCPU and SIGXFSZ, which not every system has
# A text of at most so many bytes is read without a child, which takes a third of a second to start: no reader of lines
# spends more than two seconds and 100 MB on it, whatever it holds. What is packed, or decoded by others, never is.
SMALL_BYTES = 2**19
# No child calls anybody, and no library may do so because a file names an address (GDAL follows a "crs" of GeoJSON):
# every library that asks for the surroundings' proxies is sent to a port where nothing listens.
NOWHERE = "http://127.0.0.1:1"
NO_NETWORK = {
    **dict.fromkeys(("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"), NOWHERE),
    "GDAL_HTTP_PROXY": NOWHERE, "GDAL_HTTPS_PROXY": NOWHERE, "PROJ_NETWORK": "OFF",
}  # fmt: skip
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
NEXT_STEP = "Cut it into smaller parts, or look whether it is what it claims to be"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a child may use; the figures are those of a town's OpenStreetMap extract with room to spare."""

    seconds: float = 120.0
    memory_bytes: int = 4 * 2**30
    disk_bytes: int = 4 * 2**30


def run_bounded(
    function: str,
    *,
    about: str,
    bounds: Bounds | None = None,
    surroundings: Mapping[str, str] | None = None,
    **words: Any,
) -> bytes:
    """What `function` (`module:name`) answers to `words` (plain JSON), called in a process of its own.

    `about` names the file in messages. An error of this project comes back as it was raised; a crash, too much memory
    or too much time is a BadFileError that says which.
    """
    allowed = bounds or Bounds()
    with tempfile.TemporaryDirectory(prefix="geoquorum-bounded-") as name:
        folder = Path(name)
        request = {"function": function, "words": words, "memory": allowed.memory_bytes, "disk": allowed.disk_bytes}
        (folder / REQUEST).write_text(json.dumps(request | {"seconds": allowed.seconds}))
        code, said = _wait(folder, allowed, surroundings or {})
        if (folder / FAULT).is_file():
            _raise_again(json.loads((folder / FAULT).read_text()), about)
        if code != 0 or not (folder / ANSWER).is_file():
            raise errors.BadFileError(f"{about}: {_say_end(code, said)}. {NEXT_STEP}.")
        return (folder / ANSWER).read_bytes()


def _wait(folder: Path, allowed: Bounds, surroundings: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and last words of the child; whatever it started is ended with it."""
    plain = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment = plain | {
        "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "HOME": str(folder), "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **NO_NETWORK, **surroundings,
    }  # fmt: skip
    with (folder / "said").open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "fusion.bounded"],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            code = child.wait(timeout=allowed.seconds)
        except subprocess.TimeoutExpired:
            code = TOO_LONG
        finally:
            with contextlib.suppress(ProcessLookupError):
                if sys.platform == "win32":
                    child.kill()
                else:
                    os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    lines = (folder / "said").read_bytes()[-2_000:].decode("utf-8", "replace").strip().splitlines()
    return code, lines[-1] if lines else ""


def _say_end(code: int, said: str) -> str:
    if code in (TOO_LONG, -9):
        return "reading it took too long and was ended"
    if code == TOO_MUCH:
        return "reading it wrote too much to disk and was ended"
    if code < 0:
        return f"its reader broke down on it ({signal.Signals(-code).name})"
    if "MemoryError" in said or "Cannot allocate" in said or "bad_alloc" in said:
        return "reading it needs more memory than is allowed"
    return f"its reader failed on it ({said[:200] or 'without a word'})"


def _raise_again(fault: Mapping[str, str], about: str) -> None:
    kind = getattr(errors, fault["kind"], None)
    if isinstance(kind, type) and issubclass(kind, errors.GeoquorumError):
        raise kind(fault["words"])
    reason = "reading it needs more memory than is allowed" if fault["kind"] == "MemoryError" else fault["words"]
    raise errors.BadFileError(f"{about}: cannot be read ({reason}). Fetch or write it again.")


def _bound(request: Mapping[str, Any]) -> None:
    """Limits of this process; none can be lifted again. Windows has none of them, and keeps the time alone."""
    if sys.platform == "win32":
        return
    import resource

    seconds = int(request["seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (request["disk"], request["disk"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the limit of the address space is not kept
        # Where this process has the right to it, a network of its own, in which there is nothing at all.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).unshare(NEW_NETWORK)
        resource.setrlimit(resource.RLIMIT_AS, (request["memory"], request["memory"]))


def main() -> None:
    """The child: bounds first, libraries next, the file last."""
    folder = Path.cwd()
    request = json.loads((folder / REQUEST).read_text())
    _bound(request)
    module, _, name = request["function"].partition(":")
    try:
        answer = getattr(importlib.import_module(module), name)(**request["words"])
        (folder / ANSWER).write_bytes(answer)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a Rust library is no Exception
        words = str(error).split("\n")[0][:2_000]
        (folder / FAULT).write_text(json.dumps({"kind": type(error).__name__, "words": words}))


if __name__ == "__main__":
    main()
