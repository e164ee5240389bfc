"""Packing from scene to pack: python -m tests.benchmarks.packing [--quick] [--folder PLACE]

Cities of 10,000 patches of 32 x 32 pixels: each has a Sentinel-1 scene (8 bands float32) and a Sentinel-2 scene (10
bands uint16) on disk, as COGs of the product's own writer (deflate in blocks of 512; smooth fields under noise). One,
two and four cities are planned, cut into part files by two processes, and written from them in the order of their ids
as one snapshot: shards with their sums, statistics of the train split, classes, samples; then the pack is verified, as
a release is. Wall and CPU seconds, bytes and memory of the whole process tree; a line through the three sizes says what
400,000 patches take, and how far the sizes lie off it.

Beside it: a floor that writes the same bytes with numpy's tofile and sums them, without reading any scene; and what one
would write first: a loop of windows of the two open scenes into HDF5, without sums or statistics.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import rasterio
from rasterio.windows import Window

from annotation import snapshot
from annotation.snapshot import ArrayReader
from fusion import modality as modalities
from fusion.cutting.files import open_chunk, write_chunk
from fusion.cutting.planning import plan
from fusion.cutting.scene import Chunk
from fusion.mapped import let_go
from fusion.pack import Pack, TargetSpec
from fusion.scheme import find as find_scheme
from tests.benchmarks.cutting import PIXELS, say
from tests.benchmarks.packed_cities import SENSORS, describe_scene, find_scene, list_cells, write_scenes
from tests.benchmarks.quantising import quantise
from tests.benchmarks.watching import watch

Row = dict[str, Any]
Array = npt.NDArray[Any]
MODULE = "tests.benchmarks.packing"
CITIES = (1, 2, 4)
WANTED = 400_000
PROCESSES = 2
CHUNK_BYTES = 2**28  # as releases are cut
OPEN_PARTS = 256  # as where releases are read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="cities of 400 patches, for a look")
    parser.add_argument("--folder", type=Path, help="where the files are made (10 GB); a temporary folder otherwise")
    parser.add_argument("--measure", nargs=4, metavar=("WHAT", "CITIES", "CELLS", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, cities, cells, folder = options.measure
        print(json.dumps(MEASURED[what](int(cities), int(cells), Path(folder))))
        return
    with tempfile.TemporaryDirectory(prefix="geoquorum-packing-", dir=options.folder) as folder:
        print(json.dumps(compare(Path(folder), 20 if options.quick else 100)))


def compare(folder: Path, cells: int) -> Row:
    """The benchmark's last line."""
    run("scenes", max(CITIES), cells, folder)
    sizes = [run("pack", cities, cells, folder) for cities in CITIES]
    quantised = run("quantise", max(CITIES), cells, folder)
    floor = run("floor", max(CITIES), cells, folder)
    simple = run("simple", 1, cells, folder)
    ours = sizes[-1]
    rates = {name: row["patches"] / row["cpu_s"] for name, row in (("floor", floor), ("simple", simple))}
    rate = ours["patches"] / ours["cpu_s"]
    return {
        "benchmark": "packing",
        "unit": "patches per CPU second",
        "ours": round(rate),
        "against": {
            "tofile_and_sha256": round(rates["floor"]),
            "windows_into_hdf5": round(rates["simple"]),
        },
        "ratio": {
            "tofile_and_sha256": round(rate / rates["floor"], 3),
            "windows_into_hdf5": round(rate / rates["simple"], 3),
        },
        "also": {
            "sizes": sizes,
            "extrapolated": {"patches": WANTED} | {name: extrapolate(sizes, name) for name in EXTRAPOLATED},
            "others": {"tofile_and_sha256": floor, "windows_into_hdf5": simple},
            "quantisation": {name: quantised[name] for name in ("as_it_came", "resampled", "converted")},
            "processes": PROCESSES,
            "simulated": True,
        },
    }


EXTRAPOLATED = ("wall_s", "cpu_s", "bytes", "peak_rss_mb", "peak_own_mb")


def extrapolate(sizes: Sequence[Row], name: str) -> Row:
    """Least squares through the sizes, its value at 400,000, and the largest distance of a size from the line."""
    count = np.array([row["patches"] for row in sizes], dtype=np.float64)
    value = np.array([row[name] for row in sizes], dtype=np.float64)
    slope, fixed = np.polyfit(count, value, 1)
    off = np.abs(value - (fixed + slope * count))
    return {
        "at": float(f"{fixed + slope * WANTED:.6g}"),
        "fixed": float(f"{fixed:.4g}"),
        "per_1000": float(f"{1000 * slope:.6g}"),
        "residual": float(f"{off.max():.3g}"),
        "residual_share": float(f"{(off / value).max():.2g}"),
    }


def run(what: str, cities: int, cells: int, folder: Path) -> Row:
    """One measurement in a process of its own."""
    row = watch(MODULE, ["--measure", what, str(cities), str(cells), str(folder)])
    told = {name: value for name, value in row.items() if not isinstance(value, dict)}
    say(f"{what} of {cities} cities: {json.dumps(told)}")
    return row


# Ours


def pack_cities(cities: int, cells: int, folder: Path) -> Row:
    """From scenes to a verified pack; seconds of each stage. The pack of the most cities stays for the others."""
    target = folder / "pack"
    with tempfile.TemporaryDirectory(dir=folder) as place:
        stages, started = {}, time.perf_counter()
        plans = {
            sensor: plan(
                [(describe_scene(folder, sensor, city), list_cells(city, cells)) for city in range(cities)],
                chunk_bytes=CHUNK_BYTES,
            )
            for sensor in SENSORS
        }
        cut_parts([chunk for chunks in plans.values() for chunk in chunks], Path(place))
        stages["cutting"] = time.perf_counter() - started
        built = write_snapshot({name: Parts(chunks, Path(place)) for name, chunks in plans.items()}, Path(place))
        stages["writing"] = time.perf_counter() - started - sum(stages.values())
        pack = Pack.open(built, verify=True)
        stages["verifying"] = time.perf_counter() - started - sum(stages.values())
        if cities == max(CITIES):
            built.rename(target)
    size = sum(entry["bytes"] for entry in pack.manifest["files"].values())
    stated = max(chunk.memory_bytes for chunks in plans.values() for chunk in chunks) >> 20
    return {
        "patches": len(pack),
        "bytes": size,
        "stages_s": {name: round(seconds, 2) for name, seconds in stages.items()},
        "parts": sum(map(len, plans.values())),
        "stated_mb_of_a_cutter": stated,
    }


def cut_parts(chunks: Sequence[Chunk], folder: Path) -> None:
    """Each chunk into its part file, by two processes."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for _ in pool.imap_unordered(write_part, [(chunk.to_json(), str(folder)) for chunk in chunks]):
            pass
        pool.close()
        pool.join()


def write_part(work: tuple[Row, str]) -> None:
    write_chunk(Chunk.from_json(work[0]), Path(work[1]))


class Parts:
    """Patches of all chunks of one sensor, in the order of their ids; pages that were read are given back."""

    def __init__(self, chunks: Sequence[Chunk], folder: Path) -> None:
        ids = np.array([name for chunk in chunks for name in chunk.ids])
        order = np.argsort(ids)
        self.ids = ids[order]
        self.owner = np.repeat(np.arange(len(chunks)), [len(chunk) for chunk in chunks])[order]
        self.row = np.concatenate([np.arange(len(chunk)) for chunk in chunks])[order]
        self.open = lru_cache(OPEN_PARTS)(lambda which: open_chunk(chunks[which], folder).values)
        self.dtype = np.dtype(chunks[0].dtype)

    def read(self, rows: npt.NDArray[np.int64]) -> Array:
        owner, row = self.owner[rows], self.row[rows]
        values = np.empty((len(rows), *self.open(int(owner[0])).shape[1:]), self.dtype)
        for which in np.unique(owner).tolist():
            stored = self.open(which)
            values[owner == which] = stored[row[owner == which]]
            let_go(stored)
        return values


def write_snapshot(parts: dict[str, Parts], folder: Path) -> Path:
    """A version of all patches with a distribution over the seventeen zones; labels matter to nobody here."""
    ids = parts[SENSORS[0]].ids
    codes = find_scheme("lcz17").codes
    label = np.arange(len(ids)) % len(codes)
    shares = np.eye(len(codes), dtype=np.float32)[label]
    table = pa.table(
        {
            "id": ids.tolist(),
            "cell": ids.tolist(),
            "split": np.where(np.arange(len(ids)) % 5 < 4, "train", "test").tolist(),
            "label": [codes[place] for place in label],
            "distribution": pa.FixedSizeListArray.from_arrays(pa.array(shares.ravel()), len(codes)),
        }
    )
    arrays = {
        name: ArrayReader(
            modality=name,
            dims=("band", "y", "x"),
            dtype=str(part.dtype),
            bands=modalities.find(name).band_names,
            shape=(len(modalities.find(name).bands), PIXELS, PIXELS),
            read=part.read,
        )
        for name, part in parts.items()
    }
    targets = {"lcz17": TargetSpec(head="classes", scheme="lcz17")}
    frozen = snapshot.freeze(table, arrays=arrays, targets=targets, provenance={"simulated": True})
    frozen.write(folder / "pack", name="packing", number=1, seed=0)
    return folder / "pack"


# What it is measured against


def write_floor(_cities: int, _cells: int, folder: Path) -> Row:
    """The arrays of the pack, which lie in memory, written again with numpy and summed."""
    pack, size = Pack.open(folder / "pack"), 0
    for name in SENSORS:
        path, digest = folder / f"{name}.raw", hashlib.sha256()
        with open(path, "wb") as file:
            for _, block in pack.array(name).blocks(256):
                digest.update(block.data)
                block.tofile(file)
            file.flush()
            os.fsync(file.fileno())
        size += path.stat().st_size
        path.unlink()
    return {"patches": len(pack), "bytes": size}


def write_simply(cities: int, cells: int, folder: Path) -> Row:
    """A window of each scene for each cell, row by row, into HDF5 in chunks of a sample, in the scenes' own dtypes."""
    import h5py

    path, total = folder / "simple.h5", cities * cells**2
    with h5py.File(path, "w") as file:
        for sensor in SENSORS:
            kind = modalities.find(sensor)
            shape = (len(kind.bands), PIXELS, PIXELS)
            data = file.create_dataset(sensor, (total, *shape), kind.dtype, chunks=(1, *shape))
            for city in range(cities):
                with rasterio.open(find_scene(folder, sensor, city)) as scene:
                    for place in range(cells**2):
                        row, column = divmod(place, cells)
                        window = Window(column * PIXELS, row * PIXELS, PIXELS, PIXELS)
                        data[city * cells**2 + place] = scene.read(window=window)
    size = path.stat().st_size
    path.unlink()
    return {"patches": total, "bytes": size}


MEASURED: dict[str, Callable[[int, int, Path], Row]] = {
    "scenes": write_scenes,
    "pack": pack_cities,
    "quantise": quantise,
    "floor": write_floor,
    "simple": write_simply,
}


if __name__ == "__main__":
    main()
