"""On row C12: uploads that are cut, sent again, sent twice at once, or find no room: no half rows or files."""

import errno
import os
import resource
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from PIL import Image

from geoquorum import storing
from geoquorum.accounts.models import Project
from geoquorum.catalog import media
from geoquorum.catalog.models import Asset, Post, Sample
from tests import given
from tests.geoquorum.catalog.sending import count_rows, file, list_files, send

NO_ROOM = "there is no room for it"
SHAPES = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": '
    '{"type": "Point", "coordinates": [7, 50]}}]}'
)


@pytest.fixture(autouse=True)
def folders(settings, tmp_path: Path) -> None:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"


def photo(seed: int, side: int = 300) -> bytes:
    """Noise, so that it does not pack: about 100 kB."""
    import io

    target = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(target, "PNG")
    return target.getvalue()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond this, as under a quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def full_after(monkeypatch: pytest.MonkeyPatch, files: int) -> Iterator[None]:
    """The disk takes so many files more, and says ENOSPC while the next one is written down."""
    left = [files]
    plain = os.fsync

    def sync(handle: int) -> None:
        if not os.path.isdir(f"/proc/self/fd/{handle}"):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(handle)

    with monkeypatch.context() as patch:
        patch.setattr(storing.os, "fsync", sync)
        yield


@pytest.mark.slow
@pytest.mark.django_db
def test_a_file_that_finds_no_room_leaves_nothing_and_is_taken_once_there_is_room(client: Client, settings) -> None:
    project = given.project()
    client.force_login(given.member(project, "curator"))
    rows = count_rows()
    with largest_file(40_000):
        status, page = send(client, project, "photos", files=[file("noise.png", photo(1))], region="Full")
        assert (status, NO_ROOM in page, "noise.png" in page, "send it again" in page) == (507, True, True, True)
        assert (count_rows(), list_files(settings.GEOQUORUM_DATA)) == (rows, {})
    status, _page = send(client, project, "photos", files=[file("noise.png", photo(1))], region="Full")
    assert (status, Sample.objects.count()) == (200, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("stored", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 2))])
def test_of_three_photos_none_stays_when_the_disk_fills_up_between_them(
    client: Client, settings, monkeypatch: pytest.MonkeyPatch, stored: int
) -> None:
    project = given.project()
    client.force_login(given.member(project, "curator"))
    photos = {f"{n}.png": photo(n, 80) for n in range(3)}
    rows = count_rows()
    with full_after(monkeypatch, stored):
        status, page = send(client, project, "photos", files=[file(*one) for one in photos.items()], region="Full")
    assert (status, NO_ROOM in page) == (507, True)
    assert (count_rows(), list_files(settings.GEOQUORUM_DATA)) == (rows, {})
    assert send(client, project, "photos", files=[file(*one) for one in photos.items()], region="Full")[0] == 200
    assert (Sample.objects.count(), len(list_files(settings.GEOQUORUM_DATA))) == (3, 3)


@pytest.mark.django_db
def test_a_file_of_any_source_leaves_nothing_on_a_full_disk(
    client: Client, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = given.project()
    client.force_login(given.member(project, "curator"))
    rows = count_rows()
    with full_after(monkeypatch, 0):
        status, page = send(client, project, "source", file=file("one.geojson", SHAPES), region="Full")
    assert (status, NO_ROOM in page) == (507, True)
    assert (count_rows(), list_files(settings.GEOQUORUM_DATA)) == (rows, {})


@pytest.mark.slow
@pytest.mark.django_db
def test_of_a_file_that_is_sent_again_there_is_one(client: Client, settings) -> None:
    project = given.project()
    client.force_login(given.member(project, "curator"))
    posts = "id,text,image\n1,A roof,roof.png\n"
    for _ in range(2):
        sent = {"file": file("posts.csv", posts), "pictures": [file("roof.png", photo(1, 80))], "region": "Again"}
        assert send(client, project, "posts", **sent)[0] == 200
        assert send(client, project, "photos", files=[file("one.png", photo(2, 80))], region="Again")[0] == 200
        assert send(client, project, "source", file=file("one.geojson", SHAPES), region="Again")[0] == 200
    kinds = sorted(Sample.objects.values_list("kind", flat=True))
    assert (kinds, Post.objects.count()) == (["post", "street_view"], 1)
    assert Asset.objects.filter(modality="vector").count() == 1
    assert len(list_files(settings.GEOQUORUM_DATA)) == 3


def send_at_once(project: Project, count: int, kind: str, make: Any) -> list[int]:
    """The same request by `count` browsers at the same moment; their statuses."""
    user, gate, found = given.member(project, "curator"), threading.Barrier(count), []

    def work() -> None:
        try:
            client = Client()
            client.force_login(user)
            fields = make()
            gate.wait(20)
            found.append(send(client, project, kind, **fields)[0])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(found)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_the_same_sent_four_times_at_once_there_is_one(settings) -> None:
    project = given.project()
    table = "sample\na\nb\n"
    assert send_at_once(project, 4, "samples", lambda: {"file": file("a.csv", table)}) == [200, 400, 400, 400]
    posts = "id,text\n1,A roof\n2,A door\n"
    assert send_at_once(project, 4, "posts", lambda: {"file": file("p.csv", posts), "region": "One"}) == [200] * 4
    shapes = lambda: {"file": file("one.geojson", SHAPES), "region": "One"}  # noqa: E731
    assert send_at_once(project, 2, "source", shapes) == [200] * 2
    kinds = sorted(Sample.objects.values_list("kind", flat=True))
    assert kinds == ["patch", "patch", "post", "post"]
    assert (Post.objects.count(), Asset.objects.count()) == (2, 1)
    assert len(list_files(settings.GEOQUORUM_DATA)) == 1


def send_share(project: Project, user: Any, server: Any, files: dict[str, bytes], share: float, **fields: str) -> None:
    """A browser that goes away when this share of its request is sent."""
    client = Client()
    client.force_login(user)
    page = reverse("catalog:files", args=[project.slug])
    client.get(page)
    token = client.cookies["csrftoken"].value
    field = "files" if len(files) > 1 else "file"
    body = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in ({"csrfmiddlewaretoken": token} | fields).items()
    )
    for name, content in files.items():
        head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    body += b"--x--\r\n"
    lines = [
        f"POST {page} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}",
        f"Cookie: sessionid={client.cookies['sessionid'].value}; csrftoken={token}",
        "Content-Type: multipart/form-data; boundary=x",
    ]  # fmt: skip
    with socket.create_connection((server.thread.host, server.thread.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body[: int(len(body) * share)])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_what_is_cut_on_its_way_nothing_is_taken(live_server, settings) -> None:
    project = given.project()
    user = given.member(project, "curator")
    table = {"a.csv": b"sample\n" + b"".join(b"s%d\n" % number for number in range(4_000))}
    photos = {f"{number}.png": photo(number, 80) for number in range(3)}
    rows = count_rows()
    for share in (0.1, 0.5, 0.9):
        send_share(project, user, live_server, table, share, kind="samples")
        send_share(project, user, live_server, photos, share, kind="photos", region="Cut")
    assert (count_rows(), list_files(settings.GEOQUORUM_DATA)) == (rows, {})
    send_share(project, user, live_server, table, 1.0, kind="samples")
    send_share(project, user, live_server, photos, 1.0, kind="photos", region="Cut")
    assert Sample.objects.count() == 4_003, "the whole of it is taken"


@pytest.mark.slow
@pytest.mark.django_db
def test_on_a_disk_of_64_mb_all_that_is_said_to_be_stored_is_there(client: Client, settings, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True)
    if made.returncode:
        pytest.skip("no disk of 64 MB can be made here")
    try:
        settings.GEOQUORUM_DATA = disk / "data"
        fill_disk(client, given.project())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill_disk(client: Client, project: Project) -> None:
    """Arrays of 8 MB until the disk is full; then one is taken away, and the next is stored."""
    import io

    client.force_login(given.member(project, "curator"))
    statuses = []
    for number in range(9):
        content = io.BytesIO()
        np.save(content, np.full((1024, 1024), number, np.float64))
        status, page = send(client, project, "source", file=file(f"{number}.npy", content.getvalue()), region="Full")
        statuses.append(status)
        if status != 200:
            assert (status, NO_ROOM in page) == (507, True)
    assert statuses == [200] * 7 + [507] * 2
    kept = [Path(uri) for uri in Asset.objects.order_by("pk").values_list("uri", flat=True)]
    assert [path.stat().st_size for path in kept] == [8 * 2**20 + 128] * 7
    assert not list(media.settings.GEOQUORUM_DATA.rglob("*.partial*"))
    kept[0].unlink()
    status, _page = send(client, project, "source", file=file("8.npy", content.getvalue()), region="Full")
    assert status == 200
