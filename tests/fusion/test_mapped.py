"""Pages of a mapped file are given back, and the file is read again as if nothing had been."""

from pathlib import Path

import numpy as np

from fusion.mapped import let_go

MEBIBYTES = 64


def read_mapped_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile:"))


def test_pages_that_were_read_are_given_back(tmp_path: Path) -> None:
    path = tmp_path / "values"
    np.arange(MEBIBYTES * 2**17, dtype="<i8").tofile(path)
    mapped = np.asarray(np.memmap(path, dtype="<i8", mode="r"))
    before = read_mapped_kb()
    total = int(mapped.sum())
    held = read_mapped_kb() - before
    assert held > 0.9 * MEBIBYTES * 1024
    let_go(mapped[100:])
    assert read_mapped_kb() - before < 0.1 * held
    assert int(mapped.sum()) == total


def test_an_array_in_memory_stays_as_it_is() -> None:
    values = np.arange(5)
    let_go(values)
    assert values.tolist() == [0, 1, 2, 3, 4]
