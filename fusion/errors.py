"""The one tree of errors. A message says what is wrong, where, and what to do next."""

from collections.abc import Mapping
from typing import Any


class GeoquorumError(Exception):
    """Root of every error that this project raises on purpose."""


class UnknownKindError(GeoquorumError):
    """A task, modality, scheme, question, method, exporter or network that nobody declared."""


class BadInputError(GeoquorumError):
    """A file or a value from outside that cannot be taken as it is."""


class BadRasterError(BadInputError):
    """A raster that is refused: its driver, size, CRS, bands or blocks are not what they must be."""


class BadPhotoError(BadInputError):
    """A photo that is refused: its format, size or bytes are not what they must be."""


class BadPostsError(BadInputError):
    """A table of posts that is refused; the message names the lines."""


class BadFileError(BadInputError):
    """A file of another source that is refused: a cube, a point cloud, shapes, a series, a video, an item."""


class ForbiddenAddressError(BadFileError):
    """An address that is not fetched: its host is not on the list, or it leads to a place inside."""


class BadVotesError(BadInputError):
    """Votes that no consensus can be made of."""


class NoLocationError(BadInputError):
    """Something that needs a place on the ground was asked of a sample that has none."""


class PackError(GeoquorumError):
    """A dataset version on disk that is not whole, not known to this version, or not what its checksum says."""


class LeakError(GeoquorumError):
    """Splits that share ground, scenes or groups; `report` says all that was found, by kind."""

    def __init__(self, sentence: str, report: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.report = dict(report or {})


class SpecError(GeoquorumError):
    """A run that contradicts itself or the pack it names; the field is in the message."""


class UnsafeEnvironmentError(GeoquorumError):
    """The engine does not start: a variable of its surroundings turns a guard of a library off."""


class CheckpointError(GeoquorumError):
    """Weights that are not read because they are not what they claim to be."""
