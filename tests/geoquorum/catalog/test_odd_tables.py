"""On row C11: twenty-five tables that are not what they should be; each bad row named by its line, and nothing taken.

The longest tables are read within a bound of memory, those that somebody sends in a process of their own.
"""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from fusion.bounded import SMALL_BYTES
from fusion.sources.posts import read_posts
from fusion.sources.posts.reading import PostLimits
from fusion.sources.posts.uploads import read_upload
from geoquorum.accounts.models import Project
from geoquorum.catalog.models import Sample
from geoquorum.catalog.posts import ingest_posts
from geoquorum.catalog.tables import take_samples
from tests import given
from tests.geoquorum.catalog.sending import count_rows, file, list_files, send

pytestmark = pytest.mark.django_db
MOST_MB, WORKER_MB = 512, 300  # of a process of the web, and what it holds before it takes anything
BOM, GOOD = b"\xef\xbb\xbf", b"id,text\n1,good\n"
DEEP = b'{"id": 1, "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
LONG = b"x" * 1_100_000

# kind, name, content, what is said of it
TABLES = [
    ("posts", "empty.csv", b"\n", "columns missing: id, text"),
    ("posts", "utf16.csv", "id,text\n1,a\n".encode("utf-16"), "is UTF-16"),
    ("posts", "latin.csv", b"id,text\n1,caf\xe9\n", "line 2 is not UTF-8"),
    ("posts", "nul.csv", b"id,text\n1,a\n2,b\0c\n", "line 3 holds a NUL byte"),
    ("posts", "bom.csv", BOM + b"id,text\n1,a\n1,b\n", "line 3 has the id of line 2"),
    ("posts", "twice.csv", b"id,text,text\n1,a,b\n", "twice: text"),
    ("posts", "short.csv", b"id,text\n1\n", "line 2 has 1 cells, the header 2"),
    ("posts", "quote.csv", b'id,text\n1,a\n2,"never closed\n3,b\n', "line 3 cannot be read as CSV"),
    ("posts", "place.csv", b"id,text,longitude,latitude\n1,a,7,500\n", "line 2 has a longitude or latitude"),
    ("posts", "image.csv", b"id,text,image\n1,a,../../etc/passwd\n", "line 2 names an image"),
    ("posts", "missing.csv", b"id,text,image\n1,a,roof.jpg\n", "roof.jpg cannot be read"),
    ("posts", "time.csv", b"id,text,posted_at\n1,a,yesterday\n", "line 2 has a posted_at"),
    ("posts", "long.csv", GOOD + b"2," + LONG + b"\n", "line 3 is longer than 1,000,000 bytes"),
    ("posts", "deep.jsonl", b'{"id": 0, "text": "a"}\n' + DEEP, "line 2 is not JSON"),
    ("posts", "list.jsonl", b"[1, 2]\n", "line 1 is not a JSON object"),
    ("posts", "half.jsonl", b'{"id": 1, "text": "half \\ud83d"}\n', "line 1 holds half of a character"),
    ("posts", "excel.csv", b"PK\x03\x04" + b"\0" * 200, "is a zip archive or an Excel workbook"),
    ("samples", "nul.csv", b"sample\na\nb\0\n", "line 3 holds a NUL byte"),
    ("samples", "twice.csv", b"sample\na\nb\na\n", "line 4 has the sample of line 2 again"),
    ("samples", "number.csv", b"sample,longitude,latitude\na,seven,50\n", "line 2 has longitude"),
    ("samples", "wide.csv", b"sample,kind\na\n", "line 2 has 1 cells, the header 2"),
    ("samples", "unknown.csv", b"sample,colour\na,red\n", "unknown: colour"),
    ("samples", "long.csv", b"sample\na\n" + LONG + b"\n", "line 3 is longer than 1,000,000 bytes"),
    ("samples", "cut.parquet", b"PAR1" + b"\0" * 40, "is not a whole Parquet file"),
    ("samples", "lie.parquet", b"PAR1" + b"\xff" * 60 + (2**31 - 1).to_bytes(4, "little") + b"PAR1", "Parquet"),
]


@pytest.fixture(autouse=True)
def folders(settings, tmp_path: Path) -> None:
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"
    settings.GEOQUORUM_DATA = tmp_path / "data"


@pytest.fixture
def project() -> Project:
    return given.project("Zugspitze")


@pytest.fixture
def curator(project: Project, client: Client) -> Client:
    client.force_login(given.member(project, "curator"))
    return client


def test_there_are_twenty_five() -> None:
    assert len({(kind, name) for kind, name, _content, _words in TABLES}) == 25


@pytest.mark.parametrize(("kind", "name", "content", "words"), TABLES, ids=[f"{one[0]} {one[1]}" for one in TABLES])
def test_a_bad_table_is_refused_by_name_and_line(
    curator: Client, project: Project, settings, kind: str, name: str, content: bytes, words: str
) -> None:
    rows = count_rows()
    fields = {"region": "Sent"} if kind == "posts" else {}
    status, page = send(curator, project, kind, file=file(name, content), **fields)
    assert (status, words in page) == (400, True), page
    assert "line" in words or name in page or "roof.jpg" in page
    assert (count_rows(), list_files(settings.GEOQUORUM_DATA)) == (rows, {})


def write_posts(path: Path, rows: int) -> Path:
    with path.open("w") as target:
        for number in range(rows):
            held = {"id": number, "text": f"Ask @user{number} about the roof of house {number}", "author": f"a{number}"}
            target.write(
                json.dumps(held | {"posted_at": "2026-05-01T12:30:00Z", "longitude": 7.5, "latitude": 50}) + "\n"
            )
    return path


@pytest.mark.slow
def test_a_large_table_says_the_same_from_its_child_as_here(tmp_path: Path) -> None:
    path = write_posts(tmp_path / "posts.jsonl", 4_000)
    assert path.stat().st_size > SMALL_BYTES
    assert read_upload(path) == read_posts(path)


@pytest.mark.slow
def test_a_large_table_of_samples_comes_through_its_child(curator: Client, project: Project) -> None:
    rows = "".join(f"sample-{number:05d},Sent,{number % 80}.5,50,2026-05-01T12:00:00Z\n" for number in range(30_000))
    table = file("large.csv", "sample,region,longitude,latitude,captured_from\n" + rows)
    assert table.size > SMALL_BYTES
    assert send(curator, project, "samples", file=table)[0] == 200
    last = Sample.objects.order_by("key").last()
    assert (last.key, last.longitude, last.region.name, last.captured_from.year) == ("sample-29999", 79.5, "Sent", 2026)
    assert Sample.objects.count() == 30_000
    status, page = send(curator, project, "samples", file=file("large.csv", "sample,kind\n" + "a,planet\n" * 150_000))
    assert (status, "<li>line 2 has kind" in page, "and 299,979 more" in page) == (400, True, True)


ROOM = SMALL_BYTES - 40
WORST = {
    "quotes": (".csv", b"id,text\n1," + b'"' * ROOM),
    "columns": (".csv", b"id,text" + b",a" * (ROOM // 2) + b"\n"),
    "names": (".csv", b"id,text," + b",".join(b"%d" % number for number in range(ROOM // 8)) + b"\n"),
    "lines": (".csv", b"id,text\n" + b"\n" * ROOM),
    "rows": (".csv", b"id,text\n" + b"1,a\n" * (ROOM // 4)),
    "digits": (".jsonl", b'{"id": ' + b"9" * (ROOM - 20) + b', "text": "a"}\n'),
    "words": (".jsonl", b"".join(b'{"id": "%d", "text": "%s"}\n' % (n, b"a@0 " * 2_450) for n in range(ROOM // 9_900))),
    "brackets": (".jsonl", b"[" * ROOM),
}


MEASURE = """
import json, resource, sys, time
from pathlib import Path
from fusion.errors import BadPostsError
from fusion.sources.posts import read_posts

found = {}
for path in map(Path, sys.argv[1:]):
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        read_posts(path)
    except BadPostsError:
        pass
    seconds, high = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found[path.stem] = seconds, high - before
print(json.dumps(found))
"""


@pytest.mark.slow
def test_the_worst_that_a_small_table_can_hold_costs_two_seconds_and_100_mb(tmp_path: Path) -> None:
    """Why tables below SMALL_BYTES need no child. The bound on memory is that of all of them together."""
    paths = []
    for name, (ending, content) in WORST.items():
        paths.append(tmp_path / f"{name}{ending}")
        paths[-1].write_bytes(content)
        assert len(content) <= SMALL_BYTES, name
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(said.stdout)
    assert found.keys() == WORST.keys()
    assert {name: seconds for name, (seconds, _) in found.items() if seconds > 2} == {}
    assert sum(kilobytes for _, kilobytes in found.values()) < 100 * 1024


def measure(work: Callable[[], object]) -> float:
    """MiB by which the highest resident memory of this process, while it works, exceeds what it held before."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = read_status("VmRSS")
    work()
    return read_status("VmHWM") - before


def read_status(name: str) -> float:
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) / 1024


@pytest.mark.slow
def test_a_million_samples_are_taken_in_512_mb(project: Project, tmp_path: Path) -> None:
    """What the service takes, beside the process that holds it; its child has bounds of its own."""
    path = tmp_path / "million.csv"
    with path.open("wb") as target:
        target.write(b"sample,region,longitude,latitude,width_px\n")
        target.writelines(b"sample-%07d,Sent,7.5,50,32\n" % number for number in range(1_000_000))
    more = measure(lambda: take_samples(project=project, path=path, by=None, is_upload=True))
    assert Sample.objects.count() == 1_000_000
    assert more < MOST_MB - WORKER_MB


@pytest.mark.slow
def test_as_many_posts_as_are_taken_at_once_fit_into_512_mb(project: Project, tmp_path: Path) -> None:
    most = PostLimits().rows
    path = write_posts(tmp_path / "posts.jsonl", most)
    region = given.region(project)
    more = measure(lambda: ingest_posts(region=region, path=path, is_upload=True))
    assert Sample.objects.count() == most
    assert more < MOST_MB - WORKER_MB
