"""Lines of a file from outside, one at a time: with a longest length, UTF-8, and without NUL."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fusion.errors import BadPostsError

MOST_TOLD = 20
FOREIGN_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "gzip"}


@dataclass(kw_only=True)
class Faults:
    """What is wrong with a file, by line; never the words of the line, which may name a person."""

    name: str
    found: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, words: str) -> None:
        self.count += 1
        if self.count <= MOST_TOLD:
            self.found.append(f"line {line}: {words}")

    def raise_if_any(self) -> None:
        if not self.count:
            return
        more = f"; and {self.count - MOST_TOLD} more" if self.count > MOST_TOLD else ""
        raise BadPostsError(f"{self.name} was not taken, nothing is stored: {'; '.join(self.found)}{more}. Mend them.")


def read_lines(path: Path, faults: Faults, *, longest: int) -> Iterator[tuple[int, str]]:
    """Number and text of each line that can be read, its end kept; the others go to `faults`."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(longest + 1):
            number += 1
            if number == 1:
                raw = _check_start(path, raw)
            if len(raw) > longest:
                faults.add(number, f"longer than {longest} bytes")
                _pass_over(file, raw, longest)
            elif b"\0" in raw:
                faults.add(number, "holds a NUL byte")
            elif (text := _decode(raw)) is None:
                faults.add(number, "is not UTF-8")
            else:
                yield number, text


def _check_start(path: Path, raw: bytes) -> bytes:
    for mark, kind in FOREIGN_MARKS.items():
        if raw.startswith(mark):
            raise BadPostsError(f"{path.name} is {kind}, not UTF-8 text. Save it as UTF-8 first.")
    return raw.removeprefix(b"\xef\xbb\xbf")


def _pass_over(file: object, raw: bytes, longest: int) -> None:
    """The rest of a line that is too long, in pieces."""
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(longest)  # type: ignore[attr-defined]


def _decode(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
