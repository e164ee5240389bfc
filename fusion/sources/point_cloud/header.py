"""What a LAS header claims, read by hand and held against the size of the file before any library sees it.

Layout: ASPRS, LAS Specification 1.4 R15, tables 3 (public header), 7 (variable length records), 24 (extended ones).
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fusion.errors import BadFileError

# bytes of a point of each format, extra bytes apart
POINT_BYTES = {0: 20, 1: 28, 2: 26, 3: 34, 4: 57, 5: 63, 6: 30, 7: 36, 8: 38, 9: 59, 10: 67}
HEADER_BYTES = {(1, 0): 227, (1, 1): 227, (1, 2): 227, (1, 3): 235, (1, 4): 375}
RECORD_BYTES, EXTENDED_BYTES = 54, 60
MOST_RECORDS = 10_000
COMPRESSED = 0x80


@dataclass(frozen=True, kw_only=True)
class PointLimits:
    """The largest cloud that is opened. LAZ keeps a point in a byte or more; 300 to 1 is beyond any survey."""

    points: int = 2_000_000_000
    ratio: float = 300.0
    free_bytes: int = 64 * 2**20
    chunk_points: int = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Header:
    """The claims of a header that hold."""

    version: tuple[int, int]
    point_format: int
    point_bytes: int
    points: int
    first_point: int
    is_compressed: bool
    is_copc: bool
    is_gps_standard: bool
    scales: tuple[float, float, float]
    lows: tuple[float, float, float]
    highs: tuple[float, float, float]

    @property
    def name(self) -> str:
        """As people call the format."""
        kind = "COPC" if self.is_copc else "LAZ" if self.is_compressed else "LAS"
        return f"{kind} {self.version[0]}.{self.version[1]}"


def read_header(path: Path, limits: PointLimits | None = None) -> Header:
    """The header, when every count in it fits the file; BadFileError says which does not, without the file's name."""
    allowed, size = limits or PointLimits(), path.stat().st_size
    with path.open("rb") as file:
        head = file.read(375)
        if head[:4] != b"LASF" or len(head) < 227:
            raise BadFileError("it is no LAS or LAZ file (it does not begin with LASF)")
        try:
            header = _parse(head)
            records = _walk_records(file, head, header, size)
            _check_points(file, header, records, size, allowed)
        except struct.error as error:
            raise BadFileError("its header is cut short; fetch it again") from error
    return header


def _parse(head: bytes) -> Header:
    version = head[24], head[25]
    if version not in HEADER_BYTES:
        raise BadFileError(f"its version is {version[0]}.{version[1]}; LAS 1.0 to 1.4 are read")
    header_bytes, first_point = struct.unpack_from("<HI", head, 94)
    if not HEADER_BYTES[version] <= header_bytes <= first_point:
        raise BadFileError(f"its header claims {header_bytes} bytes and points from byte {first_point}")
    kind, point_bytes, points = struct.unpack_from("<BHI", head, 104)
    if version == (1, 4):
        points = struct.unpack_from("<Q", head, 247)[0] or points
    point_format = kind & 0x3F
    if point_format not in POINT_BYTES or point_bytes < POINT_BYTES[point_format]:
        raise BadFileError(f"its points are of format {point_format} with {point_bytes} bytes; 0 to 10 are known")
    scales, (high_x, low_x, high_y, low_y, high_z, low_z) = _numbers(head, 131, 3), _numbers(head, 179, 6)
    if not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise BadFileError(f"its coordinates are scaled by {scales}, which cannot be")
    return Header(
        version=version,
        point_format=point_format,
        point_bytes=point_bytes,
        points=points,
        first_point=first_point,
        is_compressed=bool(kind & COMPRESSED),
        is_copc=False,
        is_gps_standard=bool(struct.unpack_from("<H", head, 6)[0] & 1),
        scales=(scales[0], scales[1], scales[2]),
        lows=(low_x, low_y, low_z),
        highs=(high_x, high_y, high_z),
    )


def _numbers(head: bytes, place: int, count: int) -> tuple[float, ...]:
    return struct.unpack_from(f"<{count}d", head, place)


def _walk_records(file: IO[bytes], head: bytes, header: Header, size: int) -> dict[tuple[str, int], bytes]:
    """Variable length records by user and number; each must lie where the one before it ends."""
    header_bytes, count = struct.unpack_from("<H", head, 94)[0], struct.unpack_from("<I", head, 100)[0]
    room = header.first_point - header_bytes
    if header.first_point > size:
        raise BadFileError(f"its points begin at byte {header.first_point:,} of {size:,}; fetch it again")
    if count > MOST_RECORDS or count * RECORD_BYTES > room:
        raise BadFileError(f"it claims {count:,} records in the {room:,} bytes before its points")
    found, place = {}, header_bytes
    for number in range(count):
        file.seek(place)
        _, user, identity, length = struct.unpack_from("<H16sHH", file.read(RECORD_BYTES))
        place += RECORD_BYTES + length
        if place > header.first_point:
            raise BadFileError(f"its record {number + 1} reaches into the points; fetch it again")
        found[user.split(b"\0")[0].decode("ascii", "replace"), identity] = file.read(length)
    if header.version >= (1, 4):
        _walk_extended(file, head, size)
    return found


def _walk_extended(file: IO[bytes], head: bytes, size: int) -> None:
    place, count = struct.unpack_from("<QI", head, 235)
    if not count:
        return
    if count > MOST_RECORDS or place > size or count * EXTENDED_BYTES > size - place:
        raise BadFileError(f"it claims {count:,} extended records from byte {place:,} of {size:,}")
    for number in range(count):
        file.seek(place)
        length = struct.unpack_from("<Q", file.read(EXTENDED_BYTES), 20)[0]
        place += EXTENDED_BYTES + length
        if place > size:
            raise BadFileError(f"its extended record {number + 1} reaches beyond the file; fetch it again")


def _check_points(
    file: IO[bytes], header: Header, records: dict[tuple[str, int], bytes], size: int, limits: PointLimits
) -> None:
    claimed, room = header.points * header.point_bytes, size - header.first_point
    if header.points > limits.points:
        raise BadFileError(f"it claims {header.points:,} points, the limit is {limits.points:,}; cut it into tiles")
    if not header.is_compressed:
        if claimed > room:
            raise BadFileError(
                f"it claims {header.points:,} points, its {room:,} bytes hold {room // header.point_bytes:,}"
            )
        return
    if claimed > limits.free_bytes and claimed > limits.ratio * room:
        raise BadFileError(f"it claims {header.points:,} points out of {room:,} bytes; nothing packs so well")
    packing = records.get(("laszip encoded", 22204))
    if packing is None or len(packing) < 34:
        raise BadFileError("its points are packed, and it does not say how; write it again with LASzip")
    chunk_points = struct.unpack_from("<I", packing, 12)[0]
    if chunk_points not in (0, 0xFFFFFFFF) and chunk_points > limits.chunk_points and chunk_points > header.points:
        raise BadFileError(f"it claims {chunk_points:,} points in a chunk")
    if header.points:
        _check_chunks(file, header, size)


def _check_chunks(file: IO[bytes], header: Header, size: int) -> None:
    """The table of chunks, whose count is allocated by readers before it is read."""
    file.seek(header.first_point)
    place = struct.unpack("<q", file.read(8))[0]
    if place == -1:  # a writer that cannot go back puts the place at the very end
        file.seek(size - 8)
        place = struct.unpack("<q", file.read(8))[0]
    if not header.first_point + 8 <= place <= size - 8:
        raise BadFileError(f"its table of chunks lies at byte {place:,} of {size:,}; fetch it again")
    file.seek(place)
    _, chunks = struct.unpack("<II", file.read(8))
    if chunks > header.points or chunks > size:
        raise BadFileError(f"it claims {chunks:,} chunks for {header.points:,} points")


def is_copc(path: Path) -> bool:
    """Whether the first record is that of a cloud-optimised point cloud."""
    with path.open("rb") as file:
        head = file.read(375 + 6)
    return head[377:381] == b"copc"
