"""A command run to its end while its whole process tree is watched: seconds, CPU seconds and memory."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

Row = dict[str, Any]
LOOK_EVERY_S = 0.05
# one thread for each process, so that processes are what is counted
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GDAL_NUM_THREADS": "1"}


def watch(module: str, words: Sequence[str]) -> Row:
    """`python -m module words`: the JSON of its last line, with what it took beside.

    `peak_rss_mb` is the largest sum of resident memory over the tree, pages of mapped files included: those the system
    may take back at any time. `peak_own_mb` is what it may not: anonymous and shared memory.
    """
    before, started = _count_cpu(), time.perf_counter()
    command = [sys.executable, "-m", module, *words]
    peak = own = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | THREADS) as child:
        while True:
            try:
                said, _ = child.communicate(timeout=LOOK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                now = _measure_tree(child.pid)
                peak, own = max(peak, now[0]), max(own, now[1])
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}.")
    return {
        **json.loads(said.splitlines()[-1]),
        "wall_s": round(time.perf_counter() - started, 2),
        "cpu_s": round(_count_cpu() - before, 2),
        "peak_rss_mb": peak >> 10,
        "peak_own_mb": own >> 10,
    }


def _count_cpu() -> float:
    """CPU seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _measure_tree(pid: int) -> tuple[int, int]:
    """Resident and own kB of a process and all below it."""
    try:
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return 0, 0
    found = [_read_status(one) for one in family]
    return sum(one.get("VmRSS", 0) for one in found), sum(
        one.get("RssAnon", 0) + one.get("RssShmem", 0) for one in found
    )


def _read_status(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it ended in between
        return {}
    parted = (line.split() for line in lines)
    return {part[0][:-1]: int(part[1]) for part in parted if part[0] in ("VmRSS:", "RssAnon:", "RssShmem:")}
