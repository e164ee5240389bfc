"""Whether this worker was asked to end: one byte that its main process shares with the processes it forks.

Celery's own warm shutdown waits for running jobs, however long they take; ours give their job back instead.
"""

import mmap

_byte = mmap.mmap(-1, 1)  # shared memory without a lock: a process killed while it reads holds nothing up


def ask(*_: object, **__: object) -> None:
    """The worker ends: each heartbeat sees it within half a second. Takes whatever Celery's signal brings."""
    _byte[0] = 1


def is_asked() -> bool:
    """Whether a running job should be given back now."""
    return _byte[0] == 1


def forget() -> None:
    """For tests, which run jobs in a process of their own."""
    _byte[0] = 0
