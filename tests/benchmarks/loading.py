"""Random batches of 256 patches (Sentinel-1 8 float32, Sentinel-2 10 uint16, 32 x 32) read from a pack, in patches/s.

Beside it in the same run: a bare numpy gather of the same two arrays lying in memory, and of their bytes as one table
of records; our own rate with the network's first step (normalising); So2Sat's HDF5 layout kept open; and a file opened
anew for every sample, as data sets of one raster per sample are read. `--large` writes 8 GB, drops its pages from
memory and reads it back in the order of an epoch by blocks, and in a wholly random one. Pixels are made up: what they
hold does not change the rate. Rounds of all readers alternate, and the best of each counts: others on the machine can
only slow a round down.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fusion import modality
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack
from fusion.pack_order import shuffle_blocks

Row = dict[str, Any]
Array = npt.NDArray[Any]
Read = Callable[[Array], object]
BATCH, SIDE, BLOCK = 256, 32, 512
LARGE = 150_000  # samples of 53,248 bytes: 8.0 GB
ARRAYS = {"sentinel1": "float32", "sentinel2": "uint16"}


def make_block(name: str, seed: int = 0) -> Array:
    """512 patches as stored; they are repeated, so that making them takes no time."""
    rng, shape = np.random.default_rng(seed), (BLOCK, len(modality.find(name).bands), SIDE, SIDE)
    return rng.integers(1, 9000, shape).astype(np.uint16) if name == "sentinel2" else _make_radar(rng, shape)


def _make_radar(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    radar = rng.normal(0, 0.1, shape).astype(np.float32)
    radar[:, 4:6] **= 2
    return radar


def repeat(block: Array, samples: int) -> Iterator[Array]:
    for start in range(0, samples, BLOCK):
        yield block[: min(BLOCK, samples - start)]


def write(folder: Path, samples: int, train: int = BLOCK) -> Pack:
    """A pack of made-up patches, the first `train` of them to learn from; labels matter to nobody here."""
    shares = np.zeros((samples, 17), dtype=np.float32)
    shares[:, 0] = 1
    table = pa.table(
        {
            "id": [f"s{row:07d}" for row in range(samples)],
            "split": ["train"] * train + [""] * (samples - train),
            "label": ["1"] * samples,
            "distribution": pa.FixedSizeListArray.from_arrays(pa.array(shares.ravel()), 17),
        }
    )
    arrays = {}
    for name, dtype in ARRAYS.items():
        bands = modality.find(name).band_names
        chunks = repeat(make_block(name), samples)
        arrays[name] = ArraySource(
            modality=name,
            dims=("band", "y", "x"),
            dtype=dtype,
            bands=bands,
            shape=(len(bands), SIDE, SIDE),
            chunks=chunks,
        )
    target = TargetSpec(head="classes", scheme="lcz17")
    write_pack(
        folder,
        name="loading",
        number=1,
        samples=table,
        arrays=arrays,
        targets={"lcz17": target},
        provenance={"simulated": True},
        seed=0,
    )
    return Pack.open(folder)


def read_pack(pack: Pack) -> Read:
    arrays = [pack.array(name) for name in ARRAYS]
    return lambda rows: [array.gather(rows) for array in arrays]


def gather_bare(pack: Pack) -> Read:
    """What numpy alone does: the two arrays as stored, in memory instead of mapped, gathered by their rows."""
    tables = [np.concatenate([block for _, block in pack.array(name).blocks()]) for name in ARRAYS]
    return lambda rows: [np.take(table, rows, axis=0) for table in tables]


def gather_records(pack: Pack) -> Read:
    """The same bytes laid out as no reader of single arrays has them: one row of 53,248 bytes per patch."""
    parts = [pack.array(name) for name in ARRAYS]
    widths = [int(np.prod(part.shape[1:])) * part.dtype.itemsize for part in parts]
    table = np.empty((len(pack), sum(widths)), dtype=np.uint8)
    for part, start, width in zip(parts, np.cumsum([0, *widths[:-1]]), widths, strict=True):
        for first, block in part.blocks():
            table[first : first + len(block), start : start + width] = block.reshape(len(block), -1).view(np.uint8)
    return lambda rows: np.take(table, rows, axis=0)


def read_and_normalise(pack: Pack, threads: int) -> Read:
    """Our reader and the network's first step: float32 tensors, stretched and standardised."""
    import torch

    from fusion.engine.dataset import read_inputs
    from fusion.engine.normalise import Normalise, describe_inputs

    torch.set_num_threads(threads)
    inputs = describe_inputs(pack, list(ARRAYS))
    steps = {part.name: Normalise(part) for part in inputs}
    arrays = {part.name: pack.array(part.name) for part in inputs}

    def read(rows: Array) -> object:
        stored = read_inputs(arrays, rows, torch.device("cpu"))
        return [step(stored[name]) for name, step in steps.items()]

    return read


def read_hdf5(folder: Path, samples: int) -> Read:
    """So2Sat's layout (float64, channels last, here in chunks of a sample), kept open; rows in ascending order."""
    import h5py

    path = folder / "training.h5"
    with h5py.File(path, "w") as file:
        for key, name in {"sen1": "sentinel1", "sen2": "sentinel2"}.items():
            block = np.moveaxis(make_block(name), 1, -1).astype(np.float64)
            data = file.create_dataset(key, (samples, *block.shape[1:]), "<f8", chunks=(1, *block.shape[1:]))
            for start in range(0, samples, BLOCK):
                data[start : start + BLOCK] = block[: min(BLOCK, samples - start)]
    opened = h5py.File(path)
    outs = [np.empty((BATCH, *opened[key].shape[1:])) for key in ("sen1", "sen2")]

    def read(rows: Array) -> object:
        for key, out in zip(("sen1", "sen2"), outs, strict=True):
            for place, row in enumerate(np.sort(rows)):  # faster than a list of rows, which h5py selects one by one
                opened[key].read_direct(out, np.s_[int(row)], np.s_[place])
        return outs

    return read


def read_reopened(folder: Path, samples: int) -> Read:
    """A GeoTIFF per sample and sensor (not compressed), opened, read whole and closed each time."""
    import rasterio
    from rasterio.transform import from_origin

    for name in ARRAYS:
        for row, patch in enumerate(make_block(name)[:samples]):
            with rasterio.open(
                folder / f"{name}-{row}.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=len(patch),
                dtype=patch.dtype, crs="EPSG:32632", transform=from_origin(5e5, 5e6, 10, 10),
            ) as file:  # fmt: skip
                file.write(patch)

    def read(rows: Array) -> object:
        batch = {}
        for name in ARRAYS:
            patches = []
            for row in rows:
                with rasterio.open(folder / f"{name}-{row}.tif") as file:
                    patches.append(file.read())
            batch[name] = np.stack(patches)
        return batch

    return read


def measure(read: Read, samples: int, seconds: float, seed: int) -> float:
    """Patches per second of random batches for some time."""
    rng, done, started = np.random.default_rng(seed), 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds or not done:
        read(rng.integers(0, samples, BATCH))
        done += BATCH
    return done / taken


def measure_all(readers: dict[str, tuple[Read, int]], seconds: float, rounds: int) -> dict[str, float]:
    """Best rate of each reader over rounds in which all take their turn; a first turn warms up."""
    best = dict.fromkeys(readers, 0.0)
    for turn in range(rounds + 1):
        for name, (read, samples) in readers.items():
            rate = measure(read, samples, seconds if turn else seconds / 4, turn)
            best[name] = max(best[name], rate) if turn else 0.0
    return best


def drop_pages(folder: Path) -> None:
    """Hand the pack's pages back to the system, so that the next read comes from the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def read_bytes_from_disk() -> int:
    """Bytes that this process caused to be fetched from storage, as the kernel counts them."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def read_cold(folder: Path, order: Array, seconds: float) -> Row:
    """Batches in an order, from a pack whose pages are dropped just before and which is opened anew."""
    drop_pages(folder)
    read, before, started, done = read_pack(Pack.open(folder)), read_bytes_from_disk(), time.perf_counter(), 0
    for first in range(0, len(order) - BATCH + 1, BATCH):
        read(order[first : first + BATCH])
        done += BATCH
        if time.perf_counter() - started > seconds:
            break
    taken = time.perf_counter() - started
    return {
        "patches_per_s": round(done / taken),
        "patches": done,
        "from_disk_gb": round((read_bytes_from_disk() - before) / 1e9, 2),
    }


def measure_large(folder: Path, samples: int, seconds: float) -> Row:
    """A pack larger than one cares to keep in memory, read cold."""
    started = time.perf_counter()
    pack = write(folder / "large", samples)
    written = time.perf_counter() - started
    size = sum(path.stat().st_size for path in (folder / "large").rglob("*") if path.is_file())
    rows = np.arange(len(pack))
    return {
        "gb": round(size / 1e9, 2),
        "samples": samples,
        "written_in_s": round(written, 1),
        "by_blocks": read_cold(folder / "large", shuffle_blocks(rows, seed=0, epoch=0), seconds),
        "wholly_random": read_cold(folder / "large", np.random.default_rng(0).permutation(rows), seconds),
    }


def run(arguments: argparse.Namespace, folder: Path) -> Row:
    """Everything that is measured, as one row."""
    samples, threads = arguments.samples, arguments.threads
    pack, few = write(folder / "pack", samples), min(samples, arguments.peers)
    (folder / "tif").mkdir()
    readers: dict[str, tuple[Read, int]] = {
        "ours": (read_pack(pack), samples),
        "numpy_gather": (gather_bare(pack), samples),
        "numpy_gather_of_records": (gather_records(pack), samples),
        "ours_and_first_step": (read_and_normalise(pack, threads), samples),
        "so2sat_hdf5_kept_open": (read_hdf5(folder, few), few),
        "reopened_per_sample": (read_reopened(folder / "tif", min(few, BLOCK)), min(few, BLOCK)),
    }
    rates = measure_all(readers, arguments.seconds, arguments.rounds)
    large = measure_large(folder, arguments.large_samples, arguments.cold_seconds) if arguments.large else None
    ours, step = rates.pop("ours"), rates.pop("ours_and_first_step")
    return {
        "benchmark": "loading",
        "unit": "patches per second",
        "ours": round(ours),
        "against": {name: round(rate) for name, rate in rates.items()},
        "ratio": {name: round(ours / rate, 3) for name, rate in rates.items()},
        "also": {
            "samples": samples,
            "batch": BATCH,
            "bytes_per_patch": sum(
                int(np.prod(pack.array(name).shape[1:])) * pack.array(name).dtype.itemsize for name in ARRAYS
            ),
            "shards": {name: len(pack.array(name).shards) for name in ARRAYS},
            "with_first_step": round(step),
            "threads_of_first_step": threads,
            "large": large,
            "simulated": True,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 samples and short rounds, for a test")
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--peers", type=int, default=4_000, help="samples of the HDF5 file (147 kB each)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one reader's turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch in the first step")
    parser.add_argument("--large", action="store_true", help="8 GB read with its pages dropped; some minutes")
    parser.add_argument("--large-samples", type=int, default=LARGE)
    parser.add_argument("--cold-seconds", type=float, default=60.0, help="of each order in --large")
    parser.add_argument(
        "--folder", help="where the files lie while it runs; the system's temporary folder if not given"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.samples, arguments.peers, arguments.seconds, arguments.rounds = 2_000, 256, 0.2, 3
    with tempfile.TemporaryDirectory(prefix="loading-", dir=arguments.folder) as folder:
        print(json.dumps(run(arguments, Path(folder))))


if __name__ == "__main__":
    main()
