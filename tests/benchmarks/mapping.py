"""A whole region mapped end to end against the forward passes alone of the same network on as many windows, in seconds.

A made-up scene of Sentinel-1 (8 bands, float32) and Sentinel-2 (10 bands, uint16) lies on disk as two COGs. Ours reads
its windows, predicts every 100 m and writes the classes and the bands of doubt as COGs, in one process that has torch
loaded. `forward_only` is the whole network (normalisation and architecture, in evaluation) on batches of stored windows
that lie in memory, as many as the map has; `architecture_only` leaves the normalisation out. Ours draws the region in a
few parts, each from its first read to its last tile, and the others take their turn after each part: all see the same
machine, and nobody works in another's time. With `--blended` the network gives a map for each window, and windows
overlap by half. Pixels are made up: what they hold does not change the time.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fusion import maps
from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.engine.head import TargetInfo, open_head
from fusion.engine.network import FusionNetwork
from fusion.engine.normalise import InputSpec
from fusion.engine.predictor import Predictor
from fusion.engine.tiles import TileNetwork
from fusion.engine.uncertainty import Ensemble
from fusion.mapping.drawing import draw_tiles
from fusion.mapping.layout import MapLayout
from fusion.mapping.spec import ArrayWords, DateWords, FileWords, MapSpec, Tile, write_scenes
from fusion.mapping.tiles import read_tile
from fusion.sources import geotiff

Row = dict[str, Any]
Array = npt.NDArray[Any]
EPSG, TRANSFORM, SIDE = 32632, (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0), 32
TILE_PX, STRIP = 640 * 640, 128
DTYPES = {"sentinel1": "float32", "sentinel2": "uint16"}
SENTINEL = {"name": "sen2lcz", "width": 16, "depth": 17}
UNET = {"name": "unet", "width": 16, "depth": 3}


def make_scene(folder: Path, pixels: int, seed: int = 0) -> dict[str, ArrayWords]:
    """Two COGs of noise, and the words by which a map reads them."""
    rng, words = np.random.default_rng(seed), {}
    for name, dtype in DTYPES.items():
        bands = modalities.find(name).band_names
        path, shape = folder / f"{name}.tif", (len(bands), pixels, pixels)
        with geotiff.write_cog_in_parts(
            path, shape, dtype, epsg=EPSG, transform=TRANSFORM, band_names=bands, nodata=0
        ) as write_part:
            for row in range(0, pixels, STRIP):
                values = rng.integers(1, 9000, (len(bands), min(STRIP, pixels - row), pixels), dtype=np.uint16)
                write_part(values if dtype == "uint16" else values * np.float32(1e-5), row, 0)
        file = FileWords(uri=str(path), bands=tuple(bands), wanted=tuple(bands), nodata=0)
        words[name] = ArrayWords(bands=tuple(bands), dates=(DateWords(files=(file,)),))
    return words


def make_predictor(kind: Row, head: str, device: str, threads: int) -> Predictor:
    """A network as it begins: its time does not depend on its weights."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    codes = schemes.find("lcz17").codes
    target = TargetInfo(name="zone", head=head, scheme="lcz17", codes=codes, dims=("y", "x") if head == "mask" else ())
    network = FusionNetwork(kind, [describe(name) for name in DTYPES], len(codes))
    place = torch.device(device)
    known: Any = SimpleNamespace(spec=SimpleNamespace(precision="auto"), path="none")
    return Predictor(
        checkpoint=known, network=network.place(place, channels_last=True), head=open_head(target), target=target,
        device=place,
    )  # fmt: skip


def describe(name: str) -> InputSpec:
    """Windows of SIDE x SIDE pixels of a sensor, with statistics like those of a pack."""
    bands = modalities.find(name).bands
    means = [-15.0 if band.stretch == "decibel" else 0.0 for band in bands]
    return InputSpec(
        name=name, modality=name, dims=("band", "y", "x"), shape=(len(bands), SIDE, SIDE), dtype=DTYPES[name],
        bands=tuple(band.name for band in bands), offset=0.0, scale=1.0 if name == "sentinel1" else 1e-4, nodata=None,
        stretch=tuple(band.stretch for band in bands), floor=tuple(float(band.floor) for band in bands),
        mean=tuple(means), std=(1.0,) * len(bands),
    )  # fmt: skip


def make_windows(predictor: Predictor, count: int) -> dict[str, Array]:
    """One batch of stored windows in memory."""
    rng = np.random.default_rng(1)
    found = {}
    for spec in predictor.inputs:
        values = rng.integers(1, 9000, (count, *spec.shape))
        found[spec.name] = (values * 1e-5 if spec.dtype == "float32" else values).astype(spec.dtype)
    return found


def forward_only(predictor: Predictor, windows: Mapping[str, Array], count: int) -> float:
    """Seconds of the network on `count` windows, batch by batch, from memory to outputs."""
    batch = len(next(iter(windows.values())))
    predictor.network.eval()
    started = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, count, batch):
            size = min(batch, count - first)
            predictor.network({name: torch.from_numpy(values[:size]) for name, values in windows.items()})
    return time.perf_counter() - started


def architecture_only(predictor: Predictor, windows: Mapping[str, Array], count: int) -> float:
    """The same without normalisation: batches are prepared before the clock starts."""
    batch = len(next(iter(windows.values())))
    predictor.network.eval()
    with torch.inference_mode():
        image = predictor.network.prepare({name: torch.from_numpy(values) for name, values in windows.items()})
        if predictor.network.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        started = time.perf_counter()
        for first in range(0, count, batch):
            predictor.network.architecture(image[: min(batch, count - first)])
        return time.perf_counter() - started


class Clock:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


def alternate(
    network: TileNetwork, spec: MapSpec, scenes: Mapping[str, ArrayWords], layout: MapLayout, parts: int
) -> Clock:
    """Part by part: ours, then both others on as many windows as that part has."""
    clock, windows = Clock(), make_windows(network.ensemble.first, network.batch_size)
    forward_only(network.ensemble.first, windows, 4 * network.batch_size)  # warms up
    for places in np.array_split(np.arange(len(spec.tiles)), parts):
        own = replace(spec, tiles=tuple(spec.tiles[place] for place in places))
        started = time.perf_counter()
        for _ in draw_tiles(network, own, scenes):
            pass
        clock.add("ours", time.perf_counter() - started)
        count = sum(len(layout.find_windows(tile)) for tile in own.tiles)
        clock.add("forward_only", forward_only(network.ensemble.first, windows, count))
        clock.add("architecture_only", architecture_only(network.ensemble.first, windows, count))
    return clock


def finish(folder: Path, tiles: list[Tile], layout: MapLayout) -> float:
    """Seconds in which the map is written out of its tiles."""
    started = time.perf_counter()
    a, b, left, d, e, top = TRANSFORM
    drawn = maps.Drawn(
        tiles=tiles, read=lambda tile: read_tile(folder / "tiles", tile), shape=layout.shape, epsg=EPSG,
        transform=(a * layout.step, b, left, d, e * layout.step, top), tags={"SIMULATED": "yes"},
    )  # fmt: skip
    maps.write_class_map(folder / "map.tif", drawn, schemes.find("lcz17"))
    return time.perf_counter() - started


def run(arguments: argparse.Namespace, folder: Path) -> Row:
    """Everything that is measured, as one row."""
    kind = UNET if arguments.blended else SENTINEL
    if arguments.width:
        kind = {**kind, "width": arguments.width}
    scenes = make_scene(folder, arguments.pixels)
    predictor = make_predictor(kind, "mask" if arguments.blended else "classes", arguments.device, arguments.threads)
    network = TileNetwork(ensemble=Ensemble(networks=(predictor,)), batch_size=arguments.batch)
    layout = network.lay_out(arguments.pixels, arguments.pixels)
    tiles = layout.list_tiles(TILE_PX)
    spec = MapSpec(
        checkpoint="none", scenes=write_scenes(scenes), height=arguments.pixels, width=arguments.pixels,
        tiles=tuple(tiles), output=str(folder / "tiles"),
    )  # fmt: skip
    clock = alternate(network, spec, scenes, layout, min(arguments.parts, len(tiles)))
    written = finish(folder, tiles, layout)
    windows = sum(len(layout.find_windows(tile)) for tile in tiles)
    seconds = {name: round(value, 2) for name, value in clock.seconds.items()}
    ours = clock.seconds["ours"] + written
    others = {name: clock.seconds[name] for name in ("forward_only", "architecture_only")}
    return {
        "benchmark": "mapping",
        "unit": "seconds",
        "ours": round(ours, 2),
        "against": {name: round(value, 2) for name, value in others.items()},
        "ratio": {name: round(ours / value, 3) for name, value in others.items()},
        "also": {
            "region_px": [arguments.pixels, arguments.pixels],
            "map_px": list(layout.shape),
            "windows": windows,
            "windows_per_s": round(windows / ours),
            "tiles": len(tiles),
            "network": kind,
            "parameters": sum(part.numel() for part in predictor.network.parameters()),
            "batch": arguments.batch,
            "threads": arguments.threads,
            "device": torch.cuda.get_device_name() if predictor.device.type == "cuda" else "CPU",
            "drawing": seconds["ours"],
            "writing": round(written, 2),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "simulated": True,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a scene of 400 pixels, for a test")
    parser.add_argument("--pixels", type=int, default=1280, help="along a side of the region")
    parser.add_argument("--width", type=int, help="channels of the network's first stage")
    parser.add_argument("--parts", type=int, default=4, help="in which the region is drawn")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--blended", action="store_true", help="a network that gives a map for each window")
    parser.add_argument("--folder", help="where the files lie while it runs; the system's temporary one if not given")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pixels, arguments.width = 400, 4
    with tempfile.TemporaryDirectory(prefix="mapping-", dir=arguments.folder) as folder:
        print(json.dumps(run(arguments, Path(folder))))


if __name__ == "__main__":
    main()
