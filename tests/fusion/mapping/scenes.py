"""Scenes of Sentinel-1 and Sentinel-2 on disk, and checkpoints of networks that nobody has trained."""

from pathlib import Path
from typing import Any

import numpy as np

from fusion import modality as modalities
from fusion.engine.checkpoint import save_checkpoint
from fusion.engine.resume import Progress, collect
from fusion.engine.setup import prepare_run
from fusion.mapping.spec import ArrayWords, DateWords, FileWords, MapSpec, write_scenes
from fusion.run import RunSpec
from fusion.sources import geotiff

EPSG, TRANSFORM = 32632, (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)
TINY = {"name": "sen2lcz", "width": 4, "depth": 5}


def make_values(height: int, width: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Stored values [band, y, x] of both sensors, smooth enough that neighbours are alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    level = 2 + np.sin(y / 17) + np.cos(x / 13)
    optical = 500 * level * np.linspace(0.5, 1.5, 10)[:, None, None] + rng.normal(0, 50, (10, height, width))
    radar = rng.normal(0, 0.1, (8, height, width)) * level
    radar[:, :, :][4:6] = rng.exponential(0.02, (2, height, width)) * level
    return {"sentinel1": radar.astype(np.float32), "sentinel2": np.clip(optical, 1, 65_535).astype(np.uint16)}


def write_scenes_to(folder: Path, values: dict[str, np.ndarray]) -> dict[str, ArrayWords]:
    """The values as files, and the words by which a map reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {}
    for name, stored in values.items():
        bands = modalities.find(name).band_names
        path = folder / f"{name}.tif"
        nodata = 0 if stored.dtype.kind == "u" else None
        geotiff.write_cog(path, stored, epsg=EPSG, transform=TRANSFORM, band_names=bands, nodata=nodata)
        file = FileWords(uri=str(path), bands=tuple(bands), wanted=tuple(bands), nodata=nodata)
        words[name] = ArrayWords(bands=tuple(bands), dates=(DateWords(files=(file,)),))
    return words


def save_untrained(folder: Path, pack: Path | str, **words: Any) -> Path:
    """A checkpoint of a network as it begins; `words` are of its RunSpec."""
    spec = RunSpec.from_json({"task": "lcz", "pack": str(pack), "network": TINY, "baselines": [], **words})
    setup = prepare_run(spec)
    tensors, known = collect(setup, None, Progress(), "none")
    return save_checkpoint(folder, 1, tensors, known)


def make_spec(checkpoint: Path, scenes: dict[str, ArrayWords], shape: tuple[int, int], **words: Any) -> MapSpec:
    """A spec of a map over scenes of `shape` pixels."""
    given = {"output": str(checkpoint.parent / "tiles"), "tiles": (), "device": "cpu", **words}
    return MapSpec(checkpoint=str(checkpoint), scenes=write_scenes(scenes), height=shape[0], width=shape[1], **given)
