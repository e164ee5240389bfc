"""On row B3: files far away are not fetched from where nobody allowed it, by any spelling, redirect or name server."""

import os
import socket
import urllib.request

import pytest

from fusion.errors import BadFileError, ForbiddenAddressError
from fusion.sources.stac import AllowedHost, RemoteFiles
from fusion.sources.stac.addresses import find_target, is_outside
from tests.fusion.sources.stac.store import address, allow
from tests.listening import addresses_inside


def test_of_twenty_five_addresses_that_lead_inside_none_is_reached(server):
    """The one host that is allowed is a public name; nothing else is even looked up."""
    client = RemoteFiles(hosts=[AllowedHost(host="allowed.example"), AllowedHost(host="allowed.example", port=80)])
    every = addresses_inside(server.server_port)
    assert len(every) == 25
    for url in every:
        with pytest.raises(ForbiddenAddressError):
            client.fetch(url, 0, 10)
    assert server.heard == []
    assert client.requests == 0
    urllib.request.urlopen(urllib.request.Request(address(server, "item.json"), headers={"Range": "bytes=0-1"})).close()
    assert len(server.heard) == 1, "the listener must be able to hear"


def test_an_allowed_name_that_leads_inside_is_not_reached(server):
    """As a rebinding name server would answer: the name is on the list, its address lies inside."""
    host = AllowedHost(host="localhost", port=server.server_port, is_plain_allowed=True)
    with pytest.raises(ForbiddenAddressError, match="which lies inside"):
        RemoteFiles(hosts=[host]).fetch(f"http://localhost:{server.server_port}/item.json", 0, 10)
    assert server.heard == []


def test_a_name_is_looked_up_once_and_the_connection_goes_to_that_address(server, monkeypatch):
    answers = iter(["127.0.0.1", "192.0.2.1"])
    monkeypatch.setattr(
        socket, "getaddrinfo",
        lambda host, port, *_a, **_k: [(2, 1, 6, "", (next(answers) if host == "rebinding.test" else host, port))],
    )  # fmt: skip
    files = RemoteFiles(hosts=[allow(server, "rebinding.test")])
    target = find_target(f"http://rebinding.test:{server.server_port}/item.json", files.hosts)
    assert target.ip == "127.0.0.1"
    status, _, content = files._ask(target, {"Range": "bytes=0-9"}, 10)
    assert (status, len(content)) == (206, 10)
    assert next(answers) == "192.0.2.1", "a second look-up would have used this one"
    files.close()


def test_redirects_are_checked_like_addresses_and_counted(server, files):
    assert files.fetch(address(server, "made/redirect//item.json"), 0, 10).size > 0
    before = len(server.heard)
    for target in (
        "http://169.254.169.254/x",
        "file:///etc/passwd",
        f"http://localhost:{server.server_port}/item.json",
    ):
        with pytest.raises(ForbiddenAddressError):
            files.fetch(address(server, f"made/redirect/{target}"), 0, 10)
    assert [path for path in server.heard[before:] if not path.startswith("/made/")] == []
    with pytest.raises(BadFileError, match="more than 5 redirects"):
        files.fetch(address(server, "made/loop/0"), 0, 10)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("made/whole/", "does not read by range"), ("made/lie/", "were asked for"),
        ("made/redirect/nowhere://x", "are not fetched"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_do_as_asked_is_refused(server, files, path, words):
    with pytest.raises(BadFileError, match=words):
        files.fetch(address(server, path), 0, 10)


def test_a_file_that_changes_while_it_is_read_is_refused(server, files):
    with (
        pytest.raises(BadFileError, match="changed while it was read"),
        files.open(address(server, "made/changed/")) as file,
    ):
        file.read(9)


@pytest.mark.slow
def test_a_busy_server_is_asked_again(server, files):
    assert files.fetch(address(server, "made/busy/"), 0, 1).content == b"x"
    assert server.heard.count("/made/busy/") == 3


def test_files_far_away_are_never_written(server, files):
    with pytest.raises(ForbiddenAddressError):
        files.open(address(server, "item.json"), "wb")
    with pytest.raises(BadFileError, match="at most"):
        files.fetch(address(server, "item.json"), 0, 2**40)


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("10.0.0.1", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("100.64.0.1", False), ("169.254.169.254", False), ("127.0.0.1", False),
        ("0.0.0.0", False), ("::1", False), ("::ffff:10.0.0.1", False), ("fd00::1", False), ("fe80::1%eth0", False),
        ("64:ff9b::a00:1", False), ("2002:7f00:1::", False), ("224.0.0.1", False), ("255.255.255.255", False),
        ("nonsense", False),
    ],
)  # fmt: skip
def test_which_addresses_lie_outside(text, outside):
    assert is_outside(text) is outside


def test_without_an_endpoint_s3_is_refused():
    with pytest.raises(ForbiddenAddressError, match="no S3 endpoint"):
        RemoteFiles().fetch("s3://scenes/x.tif", 0, 10)


def test_proxies_of_the_surroundings_are_not_used(server, files, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    assert files.fetch(address(server, "item.json"), 0, 10).size > 0
    assert os.environ["http_proxy"]
