"""Free ports on 127.0.0.1."""

import random
import socket

# Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections: a stored port stays ours.
LOWEST, HIGHEST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def find_free(*, beside: tuple[int, ...] = ()) -> int:
    """A free port drawn at random, none of `beside`."""
    draw = random.SystemRandom()
    while True:
        port = draw.randrange(LOWEST, HIGHEST)
        if port not in beside and is_free(port):
            return port


def next_free(port: int) -> int:
    """The first free port from `port` upwards."""
    while not is_free(port):
        port += 1
    return port
