"""The dataset version itself as one tar file for download; unpacked, it is the pack again, byte for byte."""

import tarfile
from pathlib import Path

import pyarrow as pa

from annotation.exporter import Exporter
from fusion.errors import BadInputError
from fusion.pack import Pack

COPY_BYTES = 2**20


def write(pack: Pack, folder: Path, votes: pa.Table | None) -> None:
    """Every file of the pack in the order of names, with owner, time and mode set alike: the same pack, the same bytes.

    Not compressed: imagery hardly shrinks, and a plain tar can be read in place. Votes are not part of a pack.
    """
    root = f"{pack.manifest['name']}-{pack.manifest['number']}"
    with tarfile.open(folder / f"{root}.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for path in ["pack.json", *sorted(pack.manifest["files"])]:
            entry = tarfile.TarInfo(f"{root}/{path}")
            entry.size, entry.mode = (pack.folder / path).stat().st_size, 0o644
            with open(pack.folder / path, "rb") as file:
                archive.addfile(entry, file)


def check(folder: Path) -> None:
    """One tar file that can be read to its end and holds a pack.json."""
    found = sorted(folder.glob("*.tar"))
    if len(found) != 1:
        raise BadInputError(f"{folder} holds {len(found)} tar files, not one. Export again.")
    try:
        with tarfile.open(found[0], "r:") as archive:
            names = [_read_through(archive, member) for member in archive]
    except (tarfile.TarError, EOFError) as error:
        raise BadInputError(f"{found[0]} cannot be read: {error}. Export again.") from error
    if f"{found[0].stem}/pack.json" not in names:
        raise BadInputError(f"{found[0]} holds no {found[0].stem}/pack.json. Export again.")


def _read_through(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    size = 0
    while file is not None and (piece := file.read(COPY_BYTES)):
        size += len(piece)
    if size != member.size:
        raise BadInputError(f"{member.name} ends after {size} of {member.size} bytes. Export again.")
    return member.name


EXPORTER = Exporter(
    name="pack",
    title="Pack (all of it, one file)",
    write=write,
    check=check,
    help="The dataset version as it is trained on: safetensors, GeoParquet and JSON in one tar file.",
)
