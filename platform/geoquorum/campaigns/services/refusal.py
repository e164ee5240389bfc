"""How a service says no: one sentence for a person, one HTTP status for a program."""

from fusion.errors import GeoquorumError


class RefusedError(GeoquorumError):
    """Nothing was stored. `status` is 400 (a value that cannot be), 404 (not yours) or 409 (not now)."""

    def __init__(self, message: str, *, status: int = 409) -> None:
        super().__init__(message)
        self.status = status
