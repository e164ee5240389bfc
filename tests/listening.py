"""A port on the loopback that hears who calls, and twenty-five ways to lead somebody there."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Listener:
    """What reached the port, in the order it came."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    def call(self) -> None:
        """A call of our own: without it nobody knows that the listener can hear."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            connection.recv(100)


@contextmanager
def listen() -> Iterator[Listener]:
    """A port that takes every connection, notes its first bytes and answers that nothing is there."""
    server = socket.create_server(("127.0.0.1", 0))
    listener = Listener(port=server.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    listener.heard.append(connection.recv(200))
                    connection.sendall(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                except OSError:
                    listener.heard.append(b"")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def addresses_inside(port: int) -> list[str]:
    """Twenty-five ways to reach the loopback, the metadata service, or a local file."""
    here = f":{port}/x.tif"
    return [
        f"http://127.0.0.1{here}", f"http://localhost{here}", f"http://LOCALHOST{here}", f"HTTP://127.0.0.1{here}",
        f"http://127.1{here}", f"http://2130706433{here}", f"http://0x7f000001{here}", f"http://0177.0.0.1{here}",
        f"http://0{here}", f"http://0.0.0.0{here}", f"http://[::1]{here}", f"http://[::]{here}",
        f"http://[::ffff:127.0.0.1]{here}", f"http://[64:ff9b::7f00:1]{here}", f"http://user@127.0.0.1{here}",
        f"http://allowed.example:80@127.0.0.1{here}", f"http://127.0.0.1{here}#allowed.example",
        f"http://127.0.0.1\\@allowed.example{here}", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
        f"/vsicurl/http://127.0.0.1{here}", f"ftp://127.0.0.1{here}", f"gopher://127.0.0.1{here}",
        f"https://127.0.0.1{here}", f"http://allowed.example.127.0.0.1.nip.io{here}",
    ]  # fmt: skip
