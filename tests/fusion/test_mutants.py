"""On row C5 at night: ten thousand damaged files through their readers; none breaks more than its own child."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from annotation.exchange import kml
from annotation.exchange.table_files import read_table
from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.bounded import Bounds, run_bounded
from fusion.errors import BadFileError, GeoquorumError
from fusion.sources.cubes import inspect_npy
from fusion.sources.geotiff import inspect, write_cog
from fusion.sources.photos import read_photo
from fusion.sources.point_cloud.header import read_header
from fusion.sources.posts import read_posts

HERE = "tests.fusion.test_mutants"
EACH = 1_250  # of eight kinds: ten thousand
GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)
COLUMNS = {"sample": pa.string(), "longitude": pa.float64()}
READERS: dict[str, Callable[[Path], Any]] = {
    "a.tif": lambda path: inspect([path], modalities.find("elevation")),
    "a.jpg": read_photo,
    "a.png": read_photo,
    "a.npy": inspect_npy,
    "a.las": read_header,
    "a.parquet": lambda path: read_table(path, COLUMNS, ("sample",)),
    "a.kml": lambda path: kml.read_file(path, schemes.find("lcz17")),
    "a.csv": read_posts,
}
AREA = (
    '<kml xmlns="http://www.opengis.net/kml/2.2"><Folder><name>6</name><Placemark><Polygon><outerBoundaryIs><LinearRing>'
    "<coordinates>7,50 7.01,50 7.01,50.01 7,50.01 7,50</coordinates></LinearRing></outerBoundaryIs></Polygon>"
    "</Placemark></Folder></kml>"
)


def write(folder: Path, name: str) -> Path:
    """A small good file."""
    path, ramp = folder / name, np.linspace(0, 255, 70 * 80 * 3).reshape(70, 80, 3).astype(np.uint8)
    match path.suffix:
        case ".tif":
            write_cog(path, ramp[None, ..., 0].astype(np.float32), epsg=32632, transform=GRID)
        case ".jpg" | ".png":
            Image.fromarray(ramp).save(path)
        case ".npy":
            np.save(path, ramp)
        case ".las":
            las = laspy.LasData(laspy.LasHeader(version="1.2", point_format=3))
            las.x, las.y, las.z = np.arange(50.0), np.arange(50.0), np.arange(50.0)
            las.write(path)
        case ".parquet":
            parquet.write_table(pa.table({"sample": ["a", "b"], "longitude": [7.0, 8.0]}), path)
        case ".kml":
            path.write_text(AREA)
        case _:
            path.write_text("id,text,posted_at\n1,good soup,2026-05-01\n2,a roof,2026-05-02\n")
    return path


def mutate(content: bytes, draw: np.random.Generator) -> bytes:
    """Bytes changed, cut out, doubled or put in, one to eight times, mostly near the beginning."""
    held = bytearray(content)
    for _ in range(int(draw.integers(1, 9))):
        place = int(len(held) * draw.random() ** 2)
        match int(draw.integers(0, 4)):
            case 0:
                held[place : place + 1] = bytes([int(draw.integers(0, 256))])
            case 1:
                del held[place : place + int(draw.integers(1, 64))]
            case 2:
                held[place:place] = held[place : place + int(draw.integers(1, 64))]
            case _:
                held[place : place + 4] = int(draw.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1])).to_bytes(4, "little")
    return bytes(held)


def read_mutants(folder: str, name: str, first: int, count: int) -> bytes:
    """What became of some mutants: taken, refused, or an error that is not ours, by its kind."""
    path, found = Path(folder) / name, {"taken": 0, "refused": 0, "unnamed": 0}
    good = path.read_bytes()
    target = Path.cwd() / name
    for number in range(first, first + count):
        (Path(folder) / "number").write_text(str(number))
        target.write_bytes(mutate(good, np.random.default_rng([7, number])))
        try:
            READERS[name](target)
            found["taken"] += 1
        except GeoquorumError as error:
            found["refused"] += 1
            found["unnamed"] += name not in str(error)
    return json.dumps(found).encode()


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_taken_or_refused_and_break_their_child_at_most(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    READERS[name](tmp_path / name)
    first, broken, found = 0, [], {"taken": 0, "refused": 0, "unnamed": 0}
    while first < EACH:
        try:
            bounds = Bounds(seconds=300, memory_bytes=4 * 2**30)
            words = {"folder": str(tmp_path), "name": name, "first": first, "count": EACH - first}
            told = json.loads(run_bounded(f"{HERE}:read_mutants", about=name, bounds=bounds, **words))
            found = {key: found[key] + value for key, value in told.items()}
            break
        except BadFileError as error:  # the child ended: that is what it is for; on with the next
            first = int((tmp_path / "number").read_text()) + 1
            broken.append(str(error))
    assert found["refused"] > 0
    assert len(broken) <= EACH // 100, broken[:3]
    assert found["unnamed"] == 0 or name == "a.las", "the header's reader leaves the name to its caller"
