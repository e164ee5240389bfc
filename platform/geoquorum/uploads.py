"""Files that come by HTTP, for readers that want a path: in a folder of their own, gone when they are read."""

import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from fusion.errors import BadInputError
from geoquorum.storing import needing_room

MOST_BYTES = 1 << 30
LONGEST_STEM, LONGEST_ENDING = 50, 12  # letters; four bytes each still make a name that a disk takes
PLAIN_NAME = re.compile(r"\w[\w.-]{0,60}")
FAULT = re.compile(r"\b(?:line|row|task) \d")  # how every reader of tables begins what it says of one place
SEAM = re.compile(r"; (?=(?:line|row|task) \d|and [\d,]+ more)")
TAIL = re.compile(r"\.?\s*Nothing was taken\.(?: Mend (?:it|them) and try again\.)?$")


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why a file was refused: one sentence, and below it the bad places, if the reader named any."""

    sentence: str
    faults: tuple[str, ...] = ()


@contextlib.contextmanager
def keep_upload(file: UploadedFile, beside: Sequence[UploadedFile] = ()) -> Iterator[Path]:
    """The upload in a folder of its own, under the letters and digits of its name and the ending it was sent with.

    Files `beside` it lie there under the names they were sent with, for tables that name pictures.
    """
    with tempfile.TemporaryDirectory(prefix="geoquorum-upload-") as folder:
        path = Path(folder) / _name(file.name or "")
        _write(file, path)
        for other in beside:
            if not PLAIN_NAME.fullmatch(other.name or ""):
                raise BadInputError(
                    f"{(other.name or '')[:60]!r} is no plain file name of letters, digits, dots and dashes. Rename it."
                )
            if (Path(folder) / str(other.name)).exists():
                raise BadInputError(f"{other.name} was sent twice. Choose each file once.")
            _write(other, Path(folder) / str(other.name))
        yield path


@contextlib.contextmanager
def keep_uploads(files: Sequence[UploadedFile]) -> Iterator[list[Path]]:
    """Several uploads, each in a folder of its own."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(keep_upload(file)) for file in files]


def check_whole(request: HttpRequest) -> None:
    """Refuse a form that was cut on its way: of several files the first ones would be there, and the others not."""
    stream = getattr(request, "_stream", None)  # counts what came of the length that was announced
    came, announced = getattr(stream, "_pos", 0), getattr(stream, "limit", 0)
    if came < announced:
        raise BadInputError(f"Of {announced:,} bytes {came:,} came, then the connection ended. Send it again.")


def tell_trouble(error: Exception) -> Trouble:
    """An error of a reader for a page: what was refused, and each bad place as a line of its own."""
    said = str(error)
    first = FAULT.search(said)
    if first is None:
        return Trouble(sentence=said)
    faults = SEAM.split(TAIL.sub("", said[first.start() :]))
    return Trouble(sentence=said[: first.start()].rstrip(" :"), faults=tuple(faults))


def _name(sent: str) -> str:
    """A name that cannot lead elsewhere: word characters and dashes, so that messages still say which file it was."""
    stem = re.sub(r"[^\w-]+", "_", Path(sent).stem)[:LONGEST_STEM].strip("_") or "upload"
    ending = "".join(sign for sign in Path(sent).suffix.lower() if sign.isalnum())[:LONGEST_ENDING]
    return f"{stem}.{ending}"


def _write(file: UploadedFile, path: Path) -> None:
    if (file.size or 0) > MOST_BYTES:
        raise BadInputError(f"The file is larger than {MOST_BYTES >> 20} MiB. Split it, or use the command line.")
    with needing_room(path.name), open(path, "wb") as target:
        for piece in file.chunks():
            target.write(piece)
