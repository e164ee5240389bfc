"""What goes wrong with the services that we start ourselves."""

from fusion.errors import GeoquorumError


class EmbeddedError(GeoquorumError):
    """An embedded service that cannot run: one sentence says why and what to do next."""


NO_SPACE = "No space left on device"


def disk_full(folder: object) -> EmbeddedError:
    """The one sentence for a disk without room, whoever met it."""
    return EmbeddedError(
        f"The disk that holds {folder} is full: free some space there, or set GEOQUORUM_HOME to another disk."
    )
