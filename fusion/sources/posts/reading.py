"""A table of posts: one per row of a CSV with a header, or one JSON object per line.

Columns: `id` and `text` must be there; `author`, `language`, `posted_at` (ISO 8601), `longitude`, `latitude` (degrees
of WGS 84) and `image` (a file beside the table) may be. Others are not read.
"""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fusion.errors import BadPostsError
from fusion.source import PostRow
from fusion.sources.posts.lines import Faults, read_lines
from fusion.sources.posts.scrub import scrub

SUFFIXES = (".csv", ".jsonl", ".ndjson")
REQUIRED = ("id", "text")
KNOWN = (*REQUIRED, "author", "language", "posted_at", "longitude", "latitude", "image")
IMAGE_NAME = re.compile(r"[\w][\w.-]{0,120}\.(?:jpe?g|png|webp)", re.IGNORECASE)
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})?")


@dataclass(frozen=True, kw_only=True)
class PostLimits:
    """The longest line in bytes, the longest text in characters, and the most rows of one table."""

    line_bytes: int = 1_000_000
    text: int = 10_000
    rows: int = 1_000_000


def read_posts(path: Path, limits: PostLimits | None = None) -> list[PostRow]:
    """Every row, its words scrubbed; one bad row refuses the whole table, which names up to twenty by line."""
    allowed = limits or PostLimits()
    faults = Faults(name=path.name)
    if path.suffix.lower() not in SUFFIXES:
        raise BadPostsError(f"{path.name} must end in {', '.join(SUFFIXES)}: its ending says how it is read.")
    records = _read_csv if path.suffix.lower() == ".csv" else _read_json
    rows: list[PostRow] = []
    seen: dict[str, int] = {}
    try:
        for line, record in records(path, faults, allowed):
            row = _read_row(line, record, faults, seen, allowed)
            if row is not None:
                rows.append(row)
            if len(rows) > allowed.rows:
                raise BadPostsError(f"{path.name} has more than {allowed.rows} rows. Split it.")
    except OSError as error:
        raise BadPostsError(f"{path.name} cannot be read: {error.strerror}. Check the path and its rights.") from error
    faults.raise_if_any()
    if not rows:
        raise BadPostsError(f"{path.name} holds no post.")
    return rows


def _read_csv(path: Path, faults: Faults, allowed: PostLimits) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows by the header's names; a quoted field may run over several lines, and its row is named by the first."""
    begun: list[int] = []  # numbers of the lines of the row that is being read

    def texts() -> Iterator[str]:
        for number, text in read_lines(path, faults, longest=allowed.line_bytes):
            begun.append(number)
            yield text

    reader = csv.reader(texts(), strict=True)
    try:
        header = _read_header(path, next(reader, []))
        begun.clear()
        for cells in reader:
            line = begun[0]
            begun.clear()
            if cells and len(cells) != len(header):
                faults.add(line, f"has {len(cells)} cells, the header {len(header)}")
            elif cells:
                yield line, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        faults.add(begun[0], f"cannot be read as CSV ({error}); what follows was not looked at")


def _read_header(path: Path, cells: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise BadPostsError(f"{path.name} lacks the column {' and '.join(missing)}. Known: {', '.join(KNOWN)}.")
    twice = sorted({name for name in header if name in KNOWN and header.count(name) > 1})
    if twice:
        raise BadPostsError(f"{path.name} has the column {', '.join(twice)} twice. Keep one of each.")
    return header


def _read_json(path: Path, faults: Faults, allowed: PostLimits) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, text in read_lines(path, faults, longest=allowed.line_bytes):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            faults.add(line, "is not JSON")
            continue
        if not isinstance(record, dict):
            faults.add(line, "is not a JSON object")
        elif missing := [name for name in REQUIRED if name not in record]:
            faults.add(line, f"lacks {' and '.join(missing)}")
        else:
            yield line, record


def _read_row(
    line: int, record: Mapping[str, Any], faults: Faults, seen: dict[str, int], allowed: PostLimits
) -> PostRow | None:
    """One post; what is wrong with it goes to `faults`."""
    source_id, text = _word(record.get("id")), _word(record.get("text"))
    author, image, language = (_word(record.get(name)) for name in ("author", "image", "language"))
    before = faults.count
    if "\0" in "".join((source_id, text, author, image, language)):
        faults.add(line, "holds a NUL")
    if not source_id or not text.strip():
        faults.add(line, "has an empty id or text")
    elif source_id in seen:
        faults.add(line, f"has the id of line {seen[source_id]}")
    if len(text) > allowed.text:
        faults.add(line, f"has more than {allowed.text} characters of text")
    if image and not IMAGE_NAME.fullmatch(image):
        faults.add(line, "names an image that is not a plain file name ending in jpg, png or webp")
    if language and not LANGUAGE.fullmatch(language):
        faults.add(line, "has a language that is no code such as 'en' or 'pt-BR'")
    longitude, latitude = _read_place(line, record, faults)
    posted_at = _read_time(line, _word(record.get("posted_at")), faults)
    seen.setdefault(source_id, line)
    if faults.count > before:
        return None
    clean, removed = scrub(text, author)
    return PostRow(
        line=line,
        source_id=source_id,
        author=author,
        text=clean,
        removed=removed,
        language=language.lower(),
        posted_at=posted_at,
        longitude=longitude,
        latitude=latitude,
        image=image,
    )


def _word(value: Any) -> str:
    """A cell as text without spaces around it; whole numbers of JSON as their digits."""
    if value is None or isinstance(value, bool | float | list | dict):
        return ""
    return str(value).strip()


def _read_place(line: int, record: Mapping[str, Any], faults: Faults) -> tuple[float | None, float | None]:
    cells = [record.get(name) for name in ("longitude", "latitude")]
    if all(cell is None or str(cell).strip() == "" for cell in cells):
        return None, None
    try:
        longitude, latitude = (float(str(cell)) for cell in cells)
    except ValueError:
        longitude = latitude = math.nan
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        faults.add(line, "has a longitude or latitude that is none (degrees of WGS 84)")
        return None, None
    return longitude, latitude


def _read_time(line: int, text: str, faults: Faults) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        faults.add(line, "has a posted_at that is not ISO 8601, such as 2026-05-01T12:30:00Z")
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
