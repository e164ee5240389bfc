"""The Taizhou pair (Landsat, 2000 and 2003) with the authors' fixed maps, as packs of patches around labelled pixels.

Files: change-pairs/taizhou-recnn of the folder of small real files. The images are digital numbers divided by 255; they
are stored as those numbers again, uint8, and nothing is lost. Train map -> train, a tenth of it -> validation, test map
-> test. The maps lie in one scene: most test pixels have a training pixel in their neighbourhood.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.ndimage import distance_transform_cdt

from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack
from fusion.sources.cubes import read_cube

FOLDER = Path("change-pairs/taizhou-recnn")
DATES = ("2000", "2003")
MAPS = {"change": "Binary", "change_kinds": "Multi"}  # scheme -> part of the file's name
BLOCK = 20  # pixels: 600 m
HELD_BACK = 10  # every tenth of the train map's pixels of a class is for validation
Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both dates [time, band, y, x] in digital numbers, and per scheme the maps of labels [y, x], 0 where unknown."""

    images: Array
    train: dict[str, Array]
    test: dict[str, Array]


def read_pair(data: Path) -> Pair:
    """The six files, read by the ordinary source of MATLAB arrays."""
    folder = data / FOLDER
    dates = [np.asarray(read_cube(folder / f"TaizhouTm{date}_norm.mat")) for date in DATES]
    images = np.stack([np.moveaxis(image, -1, 0) for image in dates]) * 255
    assert abs(images - np.rint(images)).max() < 1e-6, "the images are not digital numbers divided by 255"
    train, test = (
        {scheme: np.asarray(read_cube(folder / f"Taizhou{split}Map{part}.mat")) for scheme, part in MAPS.items()}
        for split in ("Tra", "Test")
    )
    return Pair(images=np.rint(images).astype(np.uint8), train=train, test=test)


def cut_patches(images: Array, rows: Array, columns: Array, side: int) -> Array:
    """Patches [n, time, band, side, side] around pixels; the border is repeated beyond the scene."""
    reach = side // 2
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3))
    return np.ascontiguousarray(np.moveaxis(windows[:, :, rows, columns], 2, 0))


def write_pair_pack(
    folder: Path,
    pair: Pair,
    scheme: str,
    side: int,
    *,
    with_test: bool = True,
    with_validation: bool = True,
    seed: int = 0,
) -> Pack:
    """A pack of one scheme and patch size; without the test map where settings are still to be chosen."""
    codes = schemes.find(scheme).codes
    train, test = pair.train[scheme], pair.test[scheme]
    labels = train + test if with_test else train
    assert not ((train > 0) & (test > 0)).any(), "a pixel lies in both maps"
    rows, columns = np.nonzero(labels)
    splits = np.where(test[rows, columns] > 0, "test", "train").astype(object)
    if with_validation:
        splits[choose_validation(train[rows, columns], seed)] = "validation"
    names = [codes[value - 1] for value in labels[rows, columns]]
    table = {
        "id": [f"r{row:03d}c{column:03d}" for row, column in zip(rows, columns, strict=True)],
        "split": splits.tolist(),
        "label": names,
        "distribution": np.eye(len(codes), dtype=np.float32)[labels[rows, columns].astype(int) - 1].tolist(),
        "city": ["Taizhou"] * len(rows),
        "block": [f"{row // BLOCK:02d}-{column // BLOCK:02d}" for row, column in zip(rows, columns, strict=True)],
    }
    bands = modalities.find("landsat_etm").band_names
    source = ArraySource(
        modality="landsat_etm",
        dims=("time", "band", "y", "x"),
        dtype="uint8",
        bands=bands,
        shape=(len(DATES), len(bands), side, side),
        chunks=[cut_patches(pair.images, rows, columns, side)],
        times=DATES,
    )
    write_pack(
        folder,
        name=f"taizhou-{scheme}",
        number=1,
        samples=pa.table(table),
        arrays={"landsat_etm": source},
        targets={scheme: TargetSpec(head="classes", scheme=scheme)},
        provenance={"simulated": False, "source": "Mou, Bruzzone & Zhu 2019; uafgeoteach/GEOS657_MRS, BSD-3-Clause"},
        seed=seed,
    )
    return Pack.open(folder)


def choose_validation(train: Array, seed: int) -> Array:
    """Places of the train map's pixels that are held back: a tenth of every class, drawn."""
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(train == value)) for value in range(1, int(train.max()) + 1)]
    return np.concatenate([places[: len(places) // HELD_BACK] for places in drawn])


def measure_distance(train: Array) -> Array:
    """King's moves from each pixel [y, x] to the nearest training pixel; patches overlap below their side."""
    return distance_transform_cdt(train == 0, metric="chessboard")


def describe_neighbours(train: Array, test: Array) -> dict[str, float]:
    """How near the test pixels lie to training pixels, in pixels of 30 m, diagonal steps as one."""
    away = measure_distance(train)[test > 0]
    return {
        "median_pixels_to_nearest_training_pixel": float(np.median(away)),
        "share_next_to_a_training_pixel": round(float((away == 1).mean()), 3),
        "share_within_4_pixels": round(float((away <= 4).mean()), 3),
    }
