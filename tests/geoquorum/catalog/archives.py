"""Ten archives that nobody should unpack: they lead elsewhere, hold themselves, or claim or hold far too much."""

import io
import struct
import tarfile
import zipfile

MILLION = 1_000_000


def _zip(*members: tuple[str, bytes], link: str = "") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name)
            if name == link:
                entry.external_attr = 0o120777 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _tar(mode: str, *members: tuple[str, bytes], link: str = "") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=f"w{mode}") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if name == link:
                entry.type, entry.linkname, entry.size = tarfile.SYMTYPE, content.decode(), 0
            archive.addfile(entry, None if name == link else io.BytesIO(content))
    return target.getvalue()


def _claim_entries(count: int) -> bytes:
    """A list of `count` empty entries, each as short as a zip allows."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    place = len(entry) * count
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    big = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, place, 4)
    where = struct.pack("<4sIQI", b"PK\6\7", 0, 4 + place, 1)
    return b"PK\3\4" + entry * count + big + where + end


def make_archives(canary: str) -> dict[str, bytes]:
    """By a name that says what is wrong; `canary` is a file elsewhere that none may reach."""
    kml = b'<kml xmlns="http://www.opengis.net/kml/2.2"><Document/></kml>'
    flood = b"\0" * (80 * 2**20)
    bomb = _zip(("doc.kml", flood))
    return {
        "slip.zip": _zip(("../../slip.txt", b"out"), ("/tmp/slip.txt", b"out"), ("..\\slip.txt", b"out")),
        "link.zip": _zip(("doc.kml", canary.encode()), link="doc.kml"),
        "bomb.zip": bomb,
        "nested.zip": _zip(("doc.kml", _zip(("doc.kml", bomb)))),
        "million.zip": _claim_entries(MILLION),
        "twice.zip": _zip(*((f"{number}.kml", kml) for number in range(1_200))),
        "locked.zip": _lock(_zip(("doc.kml", kml))),
        "slip.tar": _tar("", ("../../slip.txt", b"out"), ("/tmp/slip.txt", b"out")),
        "link.tar.gz": _tar(":gz", ("doc.kml", canary.encode()), ("a", b"x"), link="doc.kml"),
        "bomb.tar.gz": _tar(":gz", ("doc.kml", flood)),
    }


def _lock(content: bytes) -> bytes:
    """Entries that say they are encrypted."""
    held = bytearray(content)
    held[6] |= 1
    held[content.rindex(b"PK\1\2") + 8] |= 1
    return bytes(held)
