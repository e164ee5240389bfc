"""Patches joined with what lies about them: python -m tests.benchmarks.linking [--patches 400000]

A region of so many grid cells, with a quarter as many posts, a twentieth as many photos that look somewhere, as many
footprints as posts in one GeoJSON, fifty stations and a raster of heights. All of its links are made anew, as ingest
and manage.py link do. Wall seconds on an embedded PostgreSQL that writes durably, and memory of this process before and
after; compared with what one would write first: for each patch a query of the posts and photos about it, and a geodesic
to each, on fewer patches.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fusion.grid import parse_cell
from fusion.link import WGS84
from tests.benchmarks.bulk import clock, memory_mb, prepare, round_to, say

ROWS = 500  # of cells from south to north
STATIONS = 50
LOOPED = 100
ZONE, COLUMN, ROW = 33, 1_000, 16_000
WITHIN_M = 100.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=400_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoquorum-linking-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        with prepare(Path(folder) / "home"):
            print(json.dumps(measure(Path(folder), options.patches)))


def measure(folder: Path, patches: int) -> dict[str, Any]:
    from geoquorum.catalog.linking import link_region

    region = fill(folder, patches)
    before = memory_mb()
    say(f"{patches} patches, {before} MB")
    taken_s = clock(lambda: link_region(region=region))
    after = memory_mb()
    again_s = clock(lambda: link_region(region=region))
    region.refresh_from_db()
    loop_s = clock(lambda: loop(region))
    kinds = region.attributes["linking"]["kinds"]
    return {
        "benchmark": "linking",
        "unit": "patches per second",
        "ours": round_to(patches / taken_s),
        "against": {"query_per_patch": round_to(LOOPED / loop_s)},
        "ratio": {"query_per_patch": round_to(patches / taken_s / (LOOPED / loop_s), 1)},
        "also": {
            "patches": patches,
            "links": {kind: found["links"] for kind, found in kinds.items()},
            "seconds": round_to(taken_s, 1),
            "seconds_again": round_to(again_s, 1),
            "peak_mb_before": before,
            "peak_mb_after": after,
        },
    }


def fill(folder: Path, patches: int) -> Any:
    """The region with all that lies in it."""
    from geoquorum.accounts.models import Project
    from geoquorum.catalog.files import take_file
    from geoquorum.catalog.models import Asset, Region, Sample

    project = Project.objects.create(name="Linking", slug="linking", is_simulated=True)
    region = Region.objects.create(project=project, name="Here", slug="here")
    known = {"project": project, "region": region}
    columns = patches // ROWS
    cells = (f"{ZONE}N-320-{COLUMN + at % columns}-{ROW + at // columns}" for at in range(patches))
    for some in batch(cells):
        Sample.objects.bulk_create(Sample(kind="patch", key=cell, cell=cell, **known) for cell in some)
    rng = np.random.default_rng(0)
    for kind, count in (("post", patches // 4), ("street_view", patches // 20)):
        points = zip(scatter(rng, count, columns), rng.uniform(0, 360, count), strict=True)
        for some in batch(
            Sample(
                kind=kind, key=f"{kind}-{number}", longitude=place[0], latitude=place[1], heading_deg=heading,
                field_of_view_deg=60, **known,
            )
            for number, (place, heading) in enumerate(points)
        ):  # fmt: skip
            Sample.objects.bulk_create(some)
    take_file(region=region, path=write_footprints(folder, scatter(rng, patches // 4, columns)))
    places = {f"tower {at}": place.tolist() for at, place in enumerate(scatter(rng, STATIONS, columns))}
    fixed = {"sha256": "0" * 64, "size_bytes": 1, "driver": "CSV", "bands": [], "dtype": "", **known}
    Asset.objects.create(modality="weather_station", uri="t.csv", attributes={"facts": [{"places": places}]}, **fixed)
    west, south, east, north = 12.0, 40.0, 18.0, 54.0
    Asset.objects.create(modality="lidar", uri="c.laz", west=west, south=south, east=east, north=north, **fixed)
    return region


def batch(items: Any, size: int = 5_000) -> Any:
    """Lists of some at a time."""
    some: list[Any] = []
    for item in items:
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    yield some


def scatter(rng: np.random.Generator, count: int, columns: int) -> Any:
    """Degrees of points anywhere on the patches [count, 2]."""
    from pyproj import Transformer

    back = Transformer.from_crs(32600 + ZONE, 4326, always_xy=True)
    x = 320 * (COLUMN + rng.uniform(0, columns, count))
    return np.column_stack(back.transform(x, 320 * (ROW + rng.uniform(0, ROWS, count))))


def write_footprints(folder: Path, corners: Any) -> Path:
    """Squares of about ten metres."""
    path, wide, high = folder / "buildings.geojson", 0.00015, 0.0001
    with path.open("w") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for number, (x, y) in enumerate(corners.tolist()):
            ring = [[x, y], [x + wide, y], [x + wide, y + high], [x, y + high], [x, y]]
            feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
            file.write(("," if number else "") + json.dumps(feature))
        file.write("]}")
    return path


def loop(region: Any) -> int:
    """Posts and photos about some patches, one patch after the other."""
    from geoquorum.catalog.models import Sample

    found = 0
    for cell in region.samples.filter(kind="patch").order_by("pk").values_list("cell", flat=True)[:LOOPED]:
        longitude, latitude = parse_cell(cell).centre_lonlat
        near = Sample.objects.filter(
            region=region, kind__in=["post", "street_view"], longitude__range=(longitude - 0.01, longitude + 0.01),
            latitude__range=(latitude - 0.01, latitude + 0.01),
        )  # fmt: skip
        for place in near.values_list("longitude", "latitude"):
            found += WGS84.inv(longitude, latitude, *place)[2] < 160 + WITHIN_M
    return found


if __name__ == "__main__":
    main()
