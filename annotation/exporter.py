"""A dataset version in somebody else's format: the contract of an exporter, and the checksums each export carries."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from fusion import registry
from fusion.errors import BadInputError
from fusion.pack import Pack

SUMS = "SHA256SUMS"

# Votes of a release, one row each; voters are the release's own pseudonyms. Skips have a reason instead of an answer.
VOTE_SCHEMA = pa.schema(
    [
        pa.field("vote", pa.string(), nullable=False),
        pa.field("round", pa.int32()),
        pa.field("sample", pa.string(), nullable=False),
        pa.field("voter", pa.string(), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("second", pa.string()),
        pa.field("sure", pa.bool_()),
        pa.field("skip_reason", pa.string()),
        pa.field("seconds", pa.float32()),
        pa.field("decided_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One file of an export: its path inside the folder, its size and its sha256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A format. `write` fills a folder from a pack (and votes), `check` raises BadInputError on what it cannot open.

    The same pack and votes give the same bytes.
    """

    name: str
    title: str
    write: Callable[[Pack, Path, pa.Table | None], None]
    check: Callable[[Path], None]
    needs_votes: bool = False
    help: str = ""

    def export(self, pack: Path, target: Path, votes: pa.Table | None = None) -> list[ExportedFile]:
        """Write the pack in this format into a new folder, validated; whole or not at all.

        The pack is verified first. The list holds every file, SHA256SUMS last. BadInputError says what does not fit.
        """
        if target.exists():
            raise BadInputError(f"{target} exists already; export into a new folder.")
        if self.needs_votes and votes is None:
            raise BadInputError(f"Export {self.name!r} needs the votes of the release; hand them in as a table.")
        part = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
        part.mkdir(parents=True)
        try:
            self.write(Pack.open(pack, verify=True), part, votes if votes is None else arrange_votes(votes))
            files = _write_sums(part)
            self.validate(part)
            os.rename(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return files

    def validate(self, folder: Path) -> None:
        """Raise BadInputError unless every file is there, is what its checksum says, and opens in this format."""
        check_sums(folder)
        self.check(folder)


def find(name: str) -> Exporter:
    """The exporter called `name`."""
    return registry.find_kind("annotation.exporters", name, "EXPORTER", Exporter)


def load_all() -> dict[str, Exporter]:
    """Every exporter by name."""
    return registry.load_kinds("annotation.exporters", "EXPORTER", Exporter)


def arrange_votes(votes: pa.Table) -> pa.Table:
    """Votes in the columns of VOTE_SCHEMA, sorted by sample, voter, round, vote; absent optional columns as nulls."""
    missing = [field.name for field in VOTE_SCHEMA if not field.nullable and field.name not in votes.column_names]
    if missing:
        raise BadInputError(f"The table of votes lacks column {', '.join(missing)}.")
    columns = [
        votes.column(field.name).cast(field.type)
        if field.name in votes.column_names
        else pa.nulls(votes.num_rows, field.type)
        for field in VOTE_SCHEMA
    ]
    table = pa.table(columns, names=VOTE_SCHEMA.names)
    return table.sort_by([(key, "ascending") for key in ("sample", "voter", "round", "vote")])


def check_sums(folder: Path) -> None:
    """Compare every file under `folder` with SHA256SUMS; BadInputError names the first that differs or is unlisted."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        wanted = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise BadInputError(f"{folder} has no readable {SUMS}: {error}. Export again.") from error
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {SUMS}
    if different := sorted(found ^ set(wanted)):
        raise BadInputError(f"{folder / different[0]} is missing or not listed in {SUMS}. Export again.")
    for path, digest in wanted.items():
        if _hash_file(folder / path) != digest:
            raise BadInputError(f"{folder / path} is damaged: its sha256 is not that of {SUMS}. Export again.")


def _write_sums(folder: Path) -> list[ExportedFile]:
    """SHA256SUMS as `sha256sum -c` reads it, and the list of all files."""
    files = [_describe(folder, path) for path in sorted(folder.rglob("*")) if path.is_file()]
    text = "".join(f"{file.sha256}  {file.path}\n" for file in files)
    (folder / SUMS).write_text(text, encoding="utf-8", newline="\n")
    return [*files, _describe(folder, folder / SUMS)]


def _describe(folder: Path, path: Path) -> ExportedFile:
    return ExportedFile(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=_hash_file(path))


def _hash_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
