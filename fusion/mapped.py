"""Arrays mapped from files: pages that were read stay with the process until they are given back."""

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt


def let_go(values: npt.NDArray[Any]) -> None:
    """Give back the pages of a mapped array that were read; it stays as it is and is read again where it is needed.

    They remain in the system's cache as long as it has room. Without this a process that goes once through many files
    holds all of them. Nothing happens for an array in memory.
    """
    holder: Any = values
    while isinstance(holder, np.ndarray):
        holder = holder.base
    if isinstance(holder, mmap.mmap):
        holder.madvise(mmap.MADV_DONTNEED)
