"""Which devices this machine has, found without importing torch; knows no Django."""

import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

from fusion.errors import BadInputError

SETTING = "GEOQUORUM_DEVICES"
NAME = re.compile(r"cpu|cpu:\d+|cuda:[\w-]+")
ASK_NVIDIA = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")


@cache
def own_devices() -> tuple[str, ...]:
    """Those of this machine, asked for once per process."""
    return list_devices(os.environ)


def machine_name() -> str:
    """This machine as rows name it."""
    return socket.gethostname()[:100]


def list_devices(environment: Mapping[str, str]) -> tuple[str, ...]:
    """`cuda:N` for each card, or `cpu:0` alone. GEOQUORUM_DEVICES says otherwise: cuda:0,cuda:2 or cpu,cpu."""
    if given := environment.get(SETTING, "").strip():
        return _read(given)
    if (visible := environment.get("CUDA_VISIBLE_DEVICES")) is not None:
        cards = [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    else:
        cards = _ask_driver()
    return tuple(f"cuda:{card}" for card in cards) or ("cpu:0",)


def show_only(devices: Iterable[str]) -> dict[str, str]:
    """The environment in which a process sees these devices alone; nothing for a job that took none."""
    devices = tuple(devices)
    cards = [name.partition(":")[2] for name in devices if name.startswith("cuda:")]
    return {"CUDA_VISIBLE_DEVICES": ",".join(cards)} if devices else {}


def _read(given: str) -> tuple[str, ...]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    wrong = [name for name in names if not NAME.fullmatch(name)]
    if wrong or not names:
        raise BadInputError(
            f"{SETTING} is {given!r}: name devices with commas between them, such as cuda:0,cuda:1, or cpu,cpu for two "
            "runs at a time on the processor."
        )
    count = Counter[str]()
    numbered = []
    for name in names:
        numbered.append(f"cpu:{count[name]}" if name == "cpu" else name)
        count[name] += 1
    if len(set(numbered)) < len(numbered):
        raise BadInputError(f"{SETTING} is {given!r}: the same device stands there twice.")
    return tuple(numbered)


def _ask_driver() -> list[str]:
    try:
        told = subprocess.run(ASK_NVIDIA, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in told.stdout.splitlines() if line.strip().isdigit()] if not told.returncode else []
