"""STAC Items and files far away: claims are checked, and nothing is fetched from where nobody allowed it."""

import contextlib
import hashlib
import http.server
import json
import os
import socket
import threading
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from fusion.errors import BadFileError, BadRasterError, ForbiddenAddressError
from fusion.sources.geotiff import write_cog
from fusion.sources.stac import AllowedHost, RemoteFiles, S3Endpoint, inspect_asset, inspect_item, read_asset, read_item
from fusion.sources.stac.addresses import find_target, is_outside
from fusion.sources.stac.signing import sign

GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_000.0)
PIXELS = np.random.default_rng(1).integers(1, 4_000, (1, 1024, 1024), dtype=np.uint16)
BOX = [10.33, 47.75, 10.47, 47.85]
SQUARE = [[[10.33, 47.75], [10.47, 47.75], [10.47, 47.85], [10.33, 47.85], [10.33, 47.75]]]


def item(**replaced):
    asset = {
        "href": "./B04.tif", "type": "image/tiff; application=geotiff; profile=cloud-optimized", "roles": ["data"],
        "eo:bands": [{"name": "red", "center_wavelength": 0.665}], "proj:shape": [1024, 1024],
    }  # fmt: skip
    held = {
        "type": "Feature", "stac_version": "1.0.0", "id": "scene", "bbox": BOX,
        "geometry": {"type": "Polygon", "coordinates": SQUARE},
        "properties": {"datetime": "2026-05-01T10:00:00Z", "proj:epsg": 32632},
        "assets": {"red": asset | replaced.pop("asset", {})},
    }  # fmt: skip
    return held | replaced


def write(folder, **replaced):
    path = folder / "item.json"
    path.write_text(json.dumps(item(**replaced)))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A folder with an item and its band."""
    folder = tmp_path_factory.mktemp("store")
    path = write_cog(folder / "B04.tif", PIXELS, epsg=32632, transform=GRID)
    checksum = "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
    write(folder, asset={"file:checksum": checksum, "file:size": path.stat().st_size})
    return folder


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files by range, and whatever a test asks for below /made/."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.heard.append(self.path)
        if self.path.startswith("/made/"):
            return getattr(self, "made_" + self.path.split("/")[2])(self.path.split("/", 3)[3])
        content = (Path(self.server.folder) / self.path.lstrip("/").split("?")[0]).read_bytes()
        first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
        part = content[first : last + 1]
        self.answer(
            206, part, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}", "ETag": '"1"'}
        )

    def handle(self):
        with contextlib.suppress(OSError):  # clients close connections that they keep
            super().handle()

    def answer(self, status, content=b"", headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    def made_redirect(self, target):
        self.answer(302, headers={"Location": target})

    def made_loop(self, number):
        self.answer(302, headers={"Location": f"/made/loop/{int(number) + 1}"})

    def made_whole(self, _):
        self.answer(200, b"x" * 10_000)

    def made_lie(self, _):
        self.answer(206, b"x", {"Content-Range": "bytes 5-5/9"})

    def made_changed(self, _):
        is_first = self.headers["Range"] == "bytes=0-0"
        self.answer(
            206 if is_first else 412, b"x" if is_first else b"", {"Content-Range": "bytes 0-0/9", "ETag": '"1"'}
        )

    def made_busy(self, _):
        is_third = self.server.heard.count(self.path) == 3
        self.answer(206 if is_third else 503, b"x" if is_third else b"", {"Content-Range": "bytes 0-0/1"})

    def log_message(self, *_):
        pass


@pytest.fixture
def server(store):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.heard, running.folder, running.daemon_threads = [], store, True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture
def files(server):
    """A client that may fetch from this server alone."""
    client = RemoteFiles(hosts=[allow(server)])
    yield client
    client.close()


def allow(server, host="127.0.0.1"):
    return AllowedHost(host=host, port=server.server_port, is_plain_allowed=True, is_private_allowed=True)


def address(server, path):
    return f"http://127.0.0.1:{server.server_port}/{path}"


def test_an_item_says_where_and_when_and_what(store):
    [info] = inspect_item(store / "item.json")
    [asset] = info.assets
    assert info.captured_from == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert info.lonlat_bounds == tuple(BOX)
    assert (asset.bands, asset.wavelengths_nm, asset.epsg, asset.roles) == (("red",), (665.0,), 32632, ("data",))
    assert asset.uri == str((store / "B04.tif").resolve())
    assert asset.sha256 == hashlib.sha256((store / "B04.tif").read_bytes()).hexdigest()


def test_a_window_of_a_local_asset_is_read(store):
    [asset] = inspect_item(store / "item.json")[0].assets
    assert inspect_asset(asset).epsg == 32632
    values, valid = read_asset(asset, (100, 200, 30, 20))
    assert np.array_equal(values, PIXELS[:, 200:220, 100:130])
    assert valid.all()


def test_an_asset_far_away_is_read_by_range_and_not_whole(store, server, files):
    found = read_item(address(server, "item.json"), files)
    [asset] = found.assets
    assert asset.uri == address(server, "B04.tif")
    assert inspect_asset(asset, files).block == (512, 512)
    values, _ = read_asset(asset, (0, 0, 64, 64), files=files)
    assert np.array_equal(values, PIXELS[:, :64, :64])
    assert files.bytes_read < (store / "B04.tif").stat().st_size
    with pytest.raises(BadFileError, match="no list of hosts"):
        read_asset(asset)


BAD_ITEMS = [
    ({"type": "Catalog"}, "no STAC Item"), ({"stac_version": "0.9.0"}, "STAC version"), ({"id": ""}, "no id"),
    ({"assets": {}}, "no assets"), ({"properties": {}}, "says no time"), ({"geometry": None}, "no geometry"),
    ({"properties": {"datetime": "soon"}}, "says no time"), ({"bbox": [0, 0, 1, 1]}, "its bbox is not"),
    ({"geometry": {"type": "Point", "coordinates": [600_000, 5_300_000]}, "bbox": None}, "not in degrees"),
    ({"asset": {"href": "../../../etc/passwd"}}, "leads out of the folder"),
    ({"asset": {"href": "/etc/passwd"}}, "leads out of the folder"),
    ({"asset": {"href": "file:///etc/passwd"}}, "leads out of the folder"),
    ({"asset": {"href": "/vsicurl/http://127.0.0.1/x.tif"}}, "reached in no way"),
    ({"asset": {"href": "gs://bucket/x.tif"}}, "reached in no way"), ({"asset": {"href": 5}}, "no href"),
]  # fmt: skip


@pytest.mark.parametrize(("replaced", "words"), BAD_ITEMS)
def test_an_item_that_cannot_be_is_refused_by_name(tmp_path, replaced, words):
    with pytest.raises(BadFileError, match=r"^item\.json: ") as caught:
        inspect_item(write(tmp_path, **dict(replaced)))
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"type": NaN}', b"\xff\xfe"])
def test_what_is_no_json_is_refused(tmp_path, content):
    (tmp_path / "item.json").write_bytes(content)
    with pytest.raises(BadFileError, match=r"^item\.json: it is no JSON"):
        inspect_item(tmp_path / "item.json")


def test_a_link_out_of_the_folder_is_followed_and_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.tif").write_bytes(b"II*\0")
    (tmp_path / "in" / "B04.tif").symlink_to(tmp_path / "out.tif")
    with pytest.raises(BadFileError, match="leads out of the folder"):
        inspect_item(write(tmp_path / "in"))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"file:size": 5}, "its item says 5 bytes"),
        ({"proj:shape": [9, 9]}, "rows and columns"),
        ({"proj:epsg": 32633}, "EPSG:32633"),
    ],
)
def test_an_item_that_speaks_of_another_file_is_found_out(store, claims, words):
    path = store / f"other-{len(words)}.json"
    path.write_text(json.dumps(item(asset=claims)))
    [asset] = inspect_item(path)[0].assets
    with pytest.raises(BadRasterError, match=words):
        inspect_asset(asset)


def addresses_inside(port):
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


@pytest.mark.parametrize("token", ["", "a/session+token="])
@pytest.mark.parametrize("path", ["/", "/scenes/a%20b/B04.tif", "/scenes/%C3%A4~_-.tif"])
def test_a_signature_is_the_one_that_amazons_own_library_makes(token, path):
    auth = pytest.importorskip("botocore.auth", reason="no second signer to compare with")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method="GET", url=f"https://s3.example:9000{path}")
    auth.S3SigV4Auth(Credentials("key", "secret", token or None), "s3", "eu-central-1").add_auth(request)
    moment = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    endpoint = S3Endpoint(
        url="https://s3.example:9000", region="eu-central-1", access_key="key", secret_key="secret", session_token=token
    )
    ours = sign(endpoint, "GET", "s3.example:9000", path, moment)
    assert ours["authorization"] == request.headers["Authorization"]


def test_without_a_key_nothing_is_signed_and_keys_are_not_shown():
    assert sign(S3Endpoint(url="https://s3.example"), "GET", "h", "/") == {}
    assert "secret-word" not in repr(S3Endpoint(url="https://s3.example", access_key="k", secret_key="secret-word"))


@pytest.fixture(scope="module")
def s3(store):
    """A server that speaks S3 on the loopback, with the store in a bucket."""
    moto = pytest.importorskip("moto.server", reason="no S3-speaking server is installed")
    boto3 = pytest.importorskip("boto3")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    key = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **key)
    client.create_bucket(Bucket="scenes")
    for path in store.glob("*"):
        client.upload_file(str(path), "scenes", f"a b/{path.name}")
    endpoint = S3Endpoint(url=f"http://{host}:{port}", access_key="key", secret_key="secret")
    hosts = [AllowedHost(host=host, port=port, is_plain_allowed=True, is_private_allowed=True)]
    yield RemoteFiles(hosts=hosts, s3=endpoint)
    running.stop()


@pytest.mark.slow  # the server takes seconds to start
def test_items_and_pixels_are_read_from_an_s3_store(s3):
    found = read_item("s3://scenes/a b/item.json", s3)
    [asset] = found.assets
    assert asset.uri == "s3://scenes/a b/B04.tif"
    values, _ = read_asset(asset, (512, 512, 16, 16), files=s3)
    assert np.array_equal(values, PIXELS[:, 512:528, 512:528])
    with pytest.raises(BadFileError, match="not there, or not for us"):
        s3.fetch("s3://scenes/gone.tif", 0, 10)
    with pytest.raises(ForbiddenAddressError, match="no s3://bucket/key"):
        s3.fetch("s3://scenes/../other/x.tif", 0, 10)


def test_without_an_endpoint_s3_is_refused():
    with pytest.raises(ForbiddenAddressError, match="no S3 endpoint"):
        RemoteFiles().fetch("s3://scenes/x.tif", 0, 10)


def test_proxies_of_the_surroundings_are_not_used(server, files, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    assert files.fetch(address(server, "item.json"), 0, 10).size > 0
    assert os.environ["http_proxy"]
