"""Files far away, read by range through one client: listed hosts, pinned addresses, and a cap on everything.

It is a file system of fsspec, so that whatever takes open files can read them. Proxies and netrc files of the
surroundings are not used: a request goes where it was checked to go.
"""

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from fusion.errors import BadFileError, ForbiddenAddressError
from fusion.sources.stac.addresses import AllowedHost, Target, find_target
from fusion.sources.stac.signing import S3Endpoint, sign

__all__ = ["AllowedHost", "RemoteFiles", "S3Endpoint"]

MOST_HOPS = 5
CONNECT_S, READ_S, WHOLE_S = 10.0, 30.0, 120.0
MOST_RANGE = 64 * 2**20
BLOCK_BYTES = 256 * 2**10
REDIRECTS, AGAIN = (301, 302, 303, 307, 308), (429, 500, 502, 503, 504)
TRIES = 3
WAIT_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Part:
    """Bytes of a file, its whole size, and the mark of its version where the server gives one."""

    content: bytes
    size: int
    etag: str


class RemoteFiles(AbstractFileSystem):  # type: ignore[misc]
    """http(s):// and s3:// files for reading. `requests` and `bytes_read` count what went over the network."""

    protocol = ("http", "https", "s3")
    cachable = False

    def __init__(self, hosts: Sequence[AllowedHost] = (), s3: S3Endpoint | None = None, **words: Any) -> None:
        super().__init__(**words)
        self.hosts, self.s3 = tuple(hosts), s3
        self.requests = self.bytes_read = 0
        self._idle: dict[tuple[str, str, int, str], http.client.HTTPConnection] = {}
        self._lock = threading.Lock()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def info(self, path: str, **words: Any) -> dict[str, Any]:
        """Size and version of a file, by asking for its first byte: not every store answers HEAD."""
        part = self.fetch(path, 0, 1)
        return {"name": path, "size": part.size, "type": "file", "etag": part.etag}

    def _open(self, path: str, mode: str = "rb", **words: Any) -> "RemoteFile":
        if mode != "rb":
            raise ForbiddenAddressError("Files far away are read, never written.")
        return RemoteFile(self, path, mode, block_size=BLOCK_BYTES, cache_type="blockcache")

    def read_whole(self, path: str, most_bytes: int) -> bytes:
        """All of a small file."""
        first = self.fetch(path, 0, 1)
        if first.size > min(most_bytes, MOST_RANGE):
            raise BadFileError(f"{path}: it has {first.size:,} bytes, more than is read at once ({most_bytes:,}).")
        return self.fetch(path, 0, first.size, first.etag).content

    def fetch(self, path: str, start: int, end: int, etag: str = "") -> Part:
        """Bytes `start` to `end` (not with it); refused where the file has changed since `etag`."""
        if not 0 <= start < end or end - start > MOST_RANGE:
            raise BadFileError(f"{path}: bytes {start} to {end} were asked for; at most {MOST_RANGE:,} at once.")
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        if etag and not etag.startswith("W/"):
            headers["If-Match"] = etag
        for tried in range(1, TRIES + 1):
            try:
                return self._follow(path, headers, start, end)
            except (_TryAgainError, OSError, http.client.HTTPException) as error:
                if tried == TRIES:
                    raise BadFileError(
                        f"{_plain(path)}: it could not be fetched ({error}). Try again later."
                    ) from error
                time.sleep(WAIT_S * 4 ** (tried - 1))
        raise AssertionError

    def _follow(self, path: str, headers: dict[str, str], start: int, end: int) -> Part:
        """The answer after redirects, each of which is checked like an address that was given."""
        is_s3 = path.startswith("s3://")
        if is_s3 and self.s3 is None:
            raise ForbiddenAddressError(f"{path[:100]!r}: no S3 endpoint is set up.")
        url = self.s3.find_url(path) if is_s3 and self.s3 is not None else path
        for _hop in range(MOST_HOPS + 1):
            target = find_target(url, self.hosts)
            signed = sign(self.s3, "GET", _host(target), target.path) if is_s3 and self.s3 is not None else {}
            status, said, content = self._ask(target, headers | signed, end - start)
            if status not in REDIRECTS:
                return _take(target, status, said, content, start, end)
            if is_s3 or "location" not in said:
                raise BadFileError(f"{target.url}: the store sends elsewhere. Check its endpoint and region.")
            url = urljoin(url, said["location"])
            if target.scheme == "https" and not url.startswith("https:"):
                raise ForbiddenAddressError(f"{target.url} sends to an address without encryption. Not followed.")
        raise BadFileError(f"{_plain(path)}: more than {MOST_HOPS} redirects. Check the address.")

    def _ask(self, target: Target, headers: dict[str, str], wanted: int) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and at most `wanted` bytes and one more; an idle connection is used again."""
        key = (target.scheme, target.host, target.port, target.ip)
        with self._lock:
            connection = self._idle.pop(key, None)
            self.requests += 1
        fresh = connection or _connect(target)
        try:
            path = f"{target.path}?{target.query}" if target.query else target.path
            fresh.request("GET", path, headers=headers)
            answer = fresh.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            content = _read(answer, wanted + 1) if answer.status in (200, 206) else b""
        except BaseException:
            fresh.close()
            raise
        with self._lock:
            self.bytes_read += len(content)
            if answer.isclosed() and key not in self._idle:
                self._idle[key] = fresh
                return answer.status, said, content
        fresh.close()
        return answer.status, said, content

    def close(self) -> None:
        """End the connections that are kept."""
        with self._lock:
            for connection in self._idle.values():
                connection.close()
            self._idle.clear()


class RemoteFile(AbstractBufferedFile):  # type: ignore[misc]
    """An open file far away; `fault` keeps what went wrong, for callers behind libraries that swallow it."""

    fault: BadFileError | None = None

    def _fetch_range(self, start: int, end: int) -> bytes:
        try:
            content = bytearray()
            for place in range(start, end, MOST_RANGE):
                stop = min(end, place + MOST_RANGE)
                content += self.fs.fetch(self.path, place, stop, self.details["etag"]).content
            return bytes(content)
        except BadFileError as error:
            self.fault = error
            raise


class _TryAgainError(Exception):
    """The server is busy."""


def _take(target: Target, status: int, said: dict[str, str], content: bytes, start: int, end: int) -> Part:
    """The part that was asked for, or what the answer means instead."""
    if status in AGAIN:
        raise _TryAgainError(f"status {status}")
    if status == 412:
        raise BadFileError(f"{target.url}: the file was changed while it was read. Begin again.")
    if status in (401, 403, 404):
        raise BadFileError(f"{target.url}: not there, or not for us (status {status}). Check the address and the key.")
    match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", said.get("content-range", "").strip())
    if status != 206 or match is None:
        raise BadFileError(f"{target.url}: its server does not read by range (status {status}). Fetch the file first.")
    first, last, size = (int(number) for number in match.groups())
    if first != start or last != min(end, size) - 1 or len(content) != last - first + 1:
        raise BadFileError(
            f"{target.url}: bytes {start} to {end} were asked for, {first} to {last + 1} came. Try again."
        )
    return Part(content=content, size=size, etag=said.get("etag", ""))


def _connect(target: Target) -> http.client.HTTPConnection:
    """A connection to the address that was checked; names are not looked up again."""
    plain = socket.create_connection((target.ip, target.port), timeout=CONNECT_S)
    plain.settimeout(READ_S)
    connection = http.client.HTTPConnection(target.host, target.port, timeout=READ_S)
    if target.scheme == "https":
        try:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise
        connection.default_port = 443
    else:
        connection.sock = plain
    connection.auto_open = 0
    return connection


def _read(answer: http.client.HTTPResponse, most: int) -> bytes:
    """At most `most` bytes, within WHOLE_S however slowly they come."""
    content, until = bytearray(), time.monotonic() + WHOLE_S
    while len(content) < most and (piece := answer.read1(min(65_536, most - len(content)))):
        content += piece
        if time.monotonic() > until:
            raise _TryAgainError("the server is too slow")
    with contextlib.suppress(OSError):
        if len(content) < most:
            answer.read(0)
    return bytes(content)


def _host(target: Target) -> str:
    """The Host header as the connection writes it."""
    return target.host if target.port == (443 if target.scheme == "https" else 80) else f"{target.host}:{target.port}"


def _plain(path: str) -> str:
    return path.split("?")[0][:200]
