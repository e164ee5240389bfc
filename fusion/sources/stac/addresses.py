"""Which addresses are fetched at all: hosts on a list, outside unless stated, at the one address that was looked at."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from fusion.errors import ForbiddenAddressError

PORTS = {"http": 80, "https": 443}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
MOST_LENGTH = 4_096


@dataclass(frozen=True, kw_only=True)
class AllowedHost:
    """A host that may be fetched from. Only https, and only addresses outside, unless it says otherwise."""

    host: str
    port: int = 443
    is_plain_allowed: bool = False
    is_private_allowed: bool = False


@dataclass(frozen=True, kw_only=True)
class Target:
    """A checked address: the connection goes to `ip` and nowhere else; `host` is what the certificate must name."""

    scheme: str
    host: str
    port: int
    ip: str
    path: str
    query: str

    @property
    def url(self) -> str:
        """For messages, without the query, which may hold a key."""
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"


def find_target(url: str, hosts: Sequence[AllowedHost]) -> Target:
    """The target of an http or https address, its name resolved once; ForbiddenAddressError says what forbids it."""
    parts = _split(url)
    host, port = (parts.hostname or "").lower(), parts.port or PORTS[parts.scheme]
    allowed = next((one for one in hosts if (one.host.lower(), one.port) == (host, port)), None)
    if allowed is None:
        known = ", ".join(sorted({one.host for one in hosts})) or "none"
        raise ForbiddenAddressError(f"Host {host[:100]!r}, port {port}, is not on the list of hosts. Known: {known}.")
    if parts.scheme != "https" and not allowed.is_plain_allowed:
        raise ForbiddenAddressError(f"{host} is fetched by https alone. Change the address.")
    ip = _resolve(host, port, allowed.is_private_allowed)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~")
    return Target(scheme=parts.scheme, host=host, port=port, ip=ip, path=path, query=parts.query)


def _split(url: str) -> SplitResult:
    if len(url) > MOST_LENGTH or any(ord(letter) <= 32 or ord(letter) == 127 for letter in url) or "\\" in url:
        raise ForbiddenAddressError("An address is too long, or holds blanks, control characters or backslashes.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is no number
    except ValueError as error:
        raise ForbiddenAddressError(f"{url[:80]!r} is no address ({error}).") from error
    if parts.scheme not in PORTS:
        raise ForbiddenAddressError(
            f"Addresses beginning with {parts.scheme[:20]!r} are not fetched; https and s3 are."
        )
    if parts.username is not None or parts.password is not None or not parts.hostname:
        raise ForbiddenAddressError("An address must name a host, and no user or password.")
    return parts


def _resolve(host: str, port: int, is_private_allowed: bool) -> str:
    """The first address of a host. One that lies inside forbids the host, whatever its others are."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ForbiddenAddressError(f"Host {host[:100]!r} is not known ({error}). Check the address.") from error
    addresses = [str(one[4][0]) for one in found]
    if not is_private_allowed:
        inside = next((one for one in addresses if not is_outside(one)), None)
        if inside is not None or not addresses:
            raise ForbiddenAddressError(
                f"Host {host} leads to {inside or 'no address'}, which lies inside. Not fetched."
            )
    return addresses[0]


def is_outside(text: str) -> bool:
    """Whether an IP address is a public one; addresses that wrap another are judged by that one."""
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_outside(str(inner))
    return address.is_global and not (
        address.is_multicast or address.is_private or address.is_loopback or address.is_link_local
        or address.is_reserved or address.is_unspecified
    )  # fmt: skip
