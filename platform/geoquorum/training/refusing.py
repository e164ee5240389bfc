"""What is refused with a status of its own over the API."""

from fusion.errors import GeoquorumError


class RefusedError(GeoquorumError):
    """Something that cannot be done now, such as a late submission."""

    status = 409


class LimitError(GeoquorumError):
    """One more than may be sent on one day."""

    status = 429


class TooLargeError(GeoquorumError):
    """A file that is not read because of its size."""

    status = 413
