"""A table of posts: one per row of a CSV with a header, or one JSON object per line.

Columns: `id` and `text` must be there; `author`, `language`, `posted_at` (ISO 8601), `longitude`, `latitude` (degrees
of WGS 84) and `image` (a file beside the table) may be. Others are not read.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from fusion.errors import BadPostsError
from fusion.lines import Faults, find_unstorable, read_lines, read_records
from fusion.source import PostRow
from fusion.sources.posts.scrub import scrub

SUFFIXES = (".csv", ".jsonl", ".ndjson")
REQUIRED = ("id", "text")
KNOWN = (*REQUIRED, "author", "language", "posted_at", "longitude", "latitude", "image")
IMAGE_NAME = re.compile(r"[\w][\w.-]{0,120}\.(?:jpe?g|png|webp)", re.IGNORECASE)
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})?")


@dataclass(frozen=True, kw_only=True)
class PostLimits:
    """The longest line in bytes, the longest text in characters, and the most rows of one table.

    So many rows are held and stored at once in less than 512 MB; longer tables come in parts.
    """

    line_bytes: int = 1_000_000
    text: int = 10_000
    rows: int = 60_000


def read_posts(path: Path, limits: PostLimits | None = None) -> list[PostRow]:
    """Every row, its words scrubbed; one bad row refuses the whole table, which names up to twenty by line."""
    allowed = limits or PostLimits()
    faults = Faults(name=path.name, error=BadPostsError)
    if path.suffix.lower() not in SUFFIXES:
        raise BadPostsError(f"{path.name} must end in {', '.join(SUFFIXES)}: its ending says how it is read.")
    records = _read_csv if path.suffix.lower() == ".csv" else _read_json
    rows: list[PostRow] = []
    seen: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            for line, record in records(file, faults, allowed):
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


def _read_csv(file: BinaryIO, faults: Faults, allowed: PostLimits) -> Iterator[tuple[int, Mapping[str, Any]]]:
    longest = allowed.line_bytes
    yield from read_records(file, faults, known=KNOWN, needed=REQUIRED, longest=longest, may_have_others=True)


def _read_json(file: BinaryIO, faults: Faults, allowed: PostLimits) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, text in read_lines(file, faults, longest=allowed.line_bytes):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            faults.add(f"line {line}", "is not JSON")
            continue
        if not isinstance(record, dict):
            faults.add(f"line {line}", "is not a JSON object")
        elif missing := [name for name in REQUIRED if name not in record]:
            faults.add(f"line {line}", f"lacks {' and '.join(missing)}")
        else:
            yield line, record


def _read_row(
    line: int, record: Mapping[str, Any], faults: Faults, seen: dict[str, int], allowed: PostLimits
) -> PostRow | None:
    """One post; what is wrong with it goes to `faults`."""
    source_id, text = _word(record.get("id")), _word(record.get("text"))
    author, image, language = (_word(record.get(name)) for name in ("author", "image", "language"))
    before = faults.count
    if fault := find_unstorable(source_id, text, author, image, language):
        faults.add(f"line {line}", fault)
    if not source_id or not text.strip():
        faults.add(f"line {line}", "has an empty id or text")
    elif source_id in seen:
        faults.add(f"line {line}", f"has the id of line {seen[source_id]}")
    if len(text) > allowed.text:
        faults.add(f"line {line}", f"has more than {allowed.text} characters of text")
    if image and not IMAGE_NAME.fullmatch(image):
        faults.add(f"line {line}", "names an image that is not a plain file name ending in jpg, png or webp")
    if language and not LANGUAGE.fullmatch(language):
        faults.add(f"line {line}", "has a language that is no code such as 'en' or 'pt-BR'")
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
        faults.add(f"line {line}", "has a longitude or latitude that is none (degrees of WGS 84)")
        return None, None
    return longitude, latitude


def _read_time(line: int, text: str, faults: Faults) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        faults.add(f"line {line}", "has a posted_at that is not ISO 8601, such as 2026-05-01T12:30:00Z")
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
