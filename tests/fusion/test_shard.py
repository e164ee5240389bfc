"""Files that are summed while they are written."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fusion import shard
from fusion.shard import HashedFile


@pytest.mark.parametrize(("piece", "drop"), [(2**20, 2**28), (64, 2**28), (64, 200), (100, 1)])
def test_what_is_written_in_pieces_and_given_back_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, drop: int
) -> None:
    monkeypatch.setattr(shard, "PIECE_BYTES", piece)
    monkeypatch.setattr(shard, "DROP_BYTES", drop)
    values = np.random.default_rng(0).integers(0, 2**16, (7, 13, 5)).astype(np.uint16)
    parts = [b"a header", np.zeros((0, 3)).data, values.data, b"x" * 63, b"", values[2:].data]
    with HashedFile(tmp_path / "file") as file:
        for part in parts:
            file.write(part)
    whole = b"".join(bytes(part) for part in parts)
    assert (tmp_path / "file").read_bytes() == whole
    assert file.entry() == {"sha256": hashlib.sha256(whole).hexdigest(), "bytes": len(whole)}
