"""A store of one item, on disk and behind a server on the loopback."""

import hashlib
import http.server
import threading

import pytest

from fusion.sources.geotiff import write_cog
from fusion.sources.stac import RemoteFiles
from tests.fusion.sources.stac.store import GRID, PIXELS, Handler, allow, write


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A folder with an item and its band."""
    folder = tmp_path_factory.mktemp("store")
    path = write_cog(folder / "B04.tif", PIXELS, epsg=32632, transform=GRID)
    checksum = "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
    write(folder, asset={"file:checksum": checksum, "file:size": path.stat().st_size})
    return folder


@pytest.fixture
def server(store):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.heard, running.folder, running.daemon_threads = [], store, True
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture
def files(server):
    """A client that may fetch from this server alone."""
    client = RemoteFiles(hosts=[allow(server)])
    yield client
    client.close()
