"""An item and its band, and a server that hands files out by range and answers as no server should."""

import contextlib
import http.server
import json
from pathlib import Path

import numpy as np

from fusion.sources.stac import AllowedHost

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


def allow(server, host="127.0.0.1"):
    return AllowedHost(host=host, port=server.server_port, is_plain_allowed=True, is_private_allowed=True)


def address(server, path):
    return f"http://127.0.0.1:{server.server_port}/{path}"
