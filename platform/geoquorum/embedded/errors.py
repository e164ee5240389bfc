"""What goes wrong with the services that we start ourselves."""

import errno

from fusion.errors import GeoquorumError

NO_SPACE = "No space left on device"


class EmbeddedError(GeoquorumError):
    """An embedded service that cannot run: one sentence says why and what to do next."""


def disk_full(folder: object) -> EmbeddedError:
    """The one sentence for a disk without room, whoever met it."""
    return EmbeddedError(f"The disk of {folder} is full: free some space, or set GEOQUORUM_HOME to another disk.")


def cannot_write(folder: object, error: OSError) -> EmbeddedError:
    """The one sentence for a folder that does not take our files."""
    if error.errno == errno.ENOSPC:
        return disk_full(folder)
    return EmbeddedError(f"{folder} cannot be written ({error.strerror}): set GEOQUORUM_HOME to another folder.")
