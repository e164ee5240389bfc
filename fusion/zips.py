"""How long the list of a zip's members is, measured before any library reads it: a million take half a gigabyte."""

import os
import struct
from typing import IO

LEAST_END, MOST_END = 22, 22 + 65_535  # bytes of the record at a zip's end, without and with the longest comment
MOST_ENTRY = 1_024  # bytes of a member in the list: its name and all that is said of it
END, COUNT_AND_SIZE, PLACE = b"PK\5\6", "<HI", 10


def has_more_members(file: IO[bytes], most: int) -> bool:
    """Whether a zip claims more than `most` members, or a list of them that is longer than theirs could be.

    Both numbers are at their highest where the true ones stand elsewhere (ZIP64), as those of no archive of ours do.
    False for what has no end of a zip: whoever opens it says so.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - MOST_END))
    tail = file.read()
    place = tail.rfind(END)
    if place < 0 or len(tail) < place + LEAST_END:
        return False
    count, list_bytes = struct.unpack_from(COUNT_AND_SIZE, tail, place + PLACE)
    return bool(count > most or list_bytes > most * MOST_ENTRY)
