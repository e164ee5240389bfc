"""On row B3 from the web: no form, field or file makes this server call an address, and no code of it could.

The client that fetches from a list of hosts is tested in tests/fusion/sources/stac/test_remote.py.
"""

import ast
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.db import models
from django.test import Client

from geoquorum.accounts.models import Project
from tests import given
from tests.geoquorum.catalog.sending import file, send
from tests.listening import Listener, addresses_inside, listen

ROOT = Path(__file__).resolve().parents[2]
# whatever can open a connection; a module that is not here and can is found by its import of one that is
CALLERS = {
    "aiohttp", "asyncio", "boto3", "botocore", "fsspec", "ftplib", "http", "httpx", "imaplib", "paramiko", "pycurl",
    "requests", "smtplib", "socket", "ssl", "telnetlib", "urllib3", "xmlrpc",
}  # fmt: skip
# who may: files far away by their list of hosts, and our own services on the loopback
MAY_CALL = {
    "fusion/sources/stac/addresses.py", "fusion/sources/stac/remote.py",
    "platform/geoquorum/embedded/ports.py", "platform/geoquorum/embedded/postgres.py",
    "platform/geoquorum/embedded/valkey.py", "platform/geoquorum/embedded/processes.py",
    "platform/geoquorum/embedded/parts.py",
    "platform/geoquorum/queue/devices.py",  # the machine's own name
}  # fmt: skip


def list_imports(path: Path) -> set[str]:
    """Modules that a file imports, whole names."""
    found, text = set(), path.read_text()
    if not any(name in text for name in (*CALLERS, "urllib.request")):
        return found
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def test_only_the_list_of_hosts_can_call_anybody() -> None:
    found = {
        str(path.relative_to(ROOT))
        for folder in ("fusion", "annotation", "platform")
        for path in (ROOT / folder).rglob("*.py")
        if any(
            name.split(".")[0] in CALLERS - {"http"} or name in ("http.client", "urllib.request")
            for name in list_imports(path)
        )
    }
    assert found <= MAY_CALL, found - MAY_CALL
    assert "fusion/sources/stac/remote.py" in found, "the search must find what it looks for"


def test_no_part_of_the_platform_fetches_from_afar() -> None:
    """Items that lead far away are described from what they say; none of their assets is read by web or workers."""
    users = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "platform").rglob("*.py")
        if "RemoteFiles" in path.read_text() or "fusion.sources.stac.remote" in path.read_text()
    ]
    assert users == []


def all_forms(kind: type = forms.BaseForm) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from all_forms(one)


def test_no_form_and_no_column_takes_an_address() -> None:
    from geoquorum import urls

    assert urls.urlpatterns
    own = [one for one in all_forms() if one.__module__.startswith("geoquorum.")]
    assert len(own) > 10
    for form in own:
        assert not [name for name, field in form.base_fields.items() if isinstance(field, forms.URLField)], form
    for model in apps.get_models():
        assert not [field.name for field in model._meta.get_fields() if isinstance(field, models.URLField)], model


def list_fields(schema: Any, held: Any) -> Iterator[str]:
    """Names of fields in a body, those of parts that it refers to as well."""
    if isinstance(held, list):
        for value in held:
            yield from list_fields(schema, value)
    if not isinstance(held, dict):
        return
    if "$ref" in held:
        yield from list_fields(schema, schema["components"]["schemas"][held["$ref"].rsplit("/", 1)[1]])
    yield from held.get("properties", {})
    for value in held.values():
        yield from list_fields(schema, value)


@pytest.mark.django_db
def test_no_part_of_the_interface_takes_an_address(client: Client) -> None:
    schema = client.get("/api/v1/openapi.json").json()
    operations = [verb for verbs in schema["paths"].values() for verb in verbs.values()]
    names = {part["name"].lower() for one in operations for part in one.get("parameters", [])}
    names |= {name.lower() for one in operations for name in list_fields(schema, one.get("requestBody", {}))}
    assert {"count", "cell_m", "file"} <= names, "the search must find what is taken"
    assert names & {"url", "uri", "href", "link", "callback", "webhook", "remote", "host", "address"} == set()


def make_files(urls: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """Files of every kind that name addresses, by the form that takes them: all of the twenty-five in each kind."""
    assets = {f"a{n}": {"href": url, "type": "image/tiff", "roles": ["data"]} for n, url in enumerate(urls)}
    box = [[[7, 50], [7.1, 50], [7.1, 50.1], [7, 50.1], [7, 50]]]
    shape = {"type": "Feature", "properties": {"url": urls}, "geometry": {"type": "Polygon", "coordinates": box}}
    item = shape | {"stac_version": "1.0.0", "id": "x", "bbox": [7, 50, 7.1, 50.1], "assets": assets}
    item["properties"] = {"datetime": "2026-05-01T10:00:00Z"}
    item["links"] = [{"rel": "self", "href": url} for url in urls]
    may_be_named = {name: one for name, one in assets.items() if one["href"].startswith(("https://", "http://"))}
    yield "source", "named.json", json.dumps(item | {"assets": may_be_named}).encode()
    named = {"type": "name", "properties": {"name": urls[0]}}, {"type": "link", "properties": {"href": urls[0]}}
    for number, crs in enumerate(named):
        held = {"type": "FeatureCollection", "crs": crs, "features": [shape]}
        yield "source", f"shapes{number}.geojson", json.dumps(held).encode()
    links = "".join(
        f"<NetworkLink><Link><href>{url}</href></Link></NetworkLink><Style><IconStyle><Icon><href>{url}</href></Icon>"
        "</IconStyle></Style>"
        for url in urls
    )
    kml = '<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    kml += f'xsi:schemaLocation="{urls[0]} {urls[0]}"><Document>{links}</Document></kml>'
    yield "areas", "areas.kml", kml.encode()
    outer = f'<!DOCTYPE kml SYSTEM "{urls[0]}" [<!ENTITY x SYSTEM "{urls[0]}">]><kml>&x;</kml>'
    yield "areas", "entity.kml", outer.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("doc.kml", kml)
    yield "areas", "areas.kmz", packed.getvalue()
    rows = "".join(f'{number},"see {url}",{url},{url}\n' for number, url in enumerate(urls))
    yield "posts", "posts.csv", f"id,text,author,image\n{rows}".encode()
    yield "posts", "words.csv", ("id,text\n" + "".join(f'{n},"{url}"\n' for n, url in enumerate(urls))).encode()
    yield "samples", "samples.csv", ("sample,region\n" + "".join(f'"{url}","{url}"\n' for url in urls)).encode()
    for number, url in enumerate(urls[:5]):
        yield (
            "source",
            f"{number}.tif",
            f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service></GDAL_WMS>'.encode(),
        )


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listen() as found:
        yield found


@pytest.fixture
def curator(settings, tmp_path: Path, client: Client) -> Client:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"
    client.force_login(given.member(given.project("Zugspitze"), "curator"))
    return client


@pytest.mark.slow
@pytest.mark.django_db
def test_no_file_makes_anybody_call_an_address(curator: Client, listener: Listener) -> None:
    project = Project.objects.get()
    urls = addresses_inside(listener.port)
    assert len(urls) == 25
    more = {
        "source": {"region": "Sent"}, "areas": {"region": "Sent", "scheme": "lcz17", "coding": "code"},
        "posts": {"region": "Sent"}, "samples": {},
    }  # fmt: skip
    counts: dict[int, int] = {}
    for kind, name, content in make_files(urls):
        status, _page = send(curator, project, kind, file=file(name, content), **more[kind])
        counts[status] = counts.get(status, 0) + 1
    assert counts.get(200, 0) >= 3
    assert counts.get(400, 0) >= 7
    assert listener.heard == []
    listener.call()
    assert len(listener.heard) == 1, "the listener must be able to hear"
