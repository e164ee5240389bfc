"""Arrays by name in one .npz file, whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from fusion.engine.symmetries import Array


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write them; what stood there before stays until the file is whole."""
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        np.savez(file, **cast(Any, arrays))
    part.replace(path)
