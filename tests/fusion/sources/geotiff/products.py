"""A Sentinel-2 product as it is handed out: a folder of JPEG 2000 files, a few pixels of each."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from fusion.grid import Cell

CELL = Cell(zone=33, north=True, size_m=320, column=1875, row=16563)
PRODUCT = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE"


def write_jp2(path: Path, array: np.ndarray, step: float = 10.0) -> Path:
    """A band as products hold it: reversible, with its place inside."""
    west, _south, _east, north = CELL.bounds
    place = {"crs": "EPSG:32633", "transform": Affine(step, 0, west, 0, -step, north)}
    profile = {"driver": "JP2OpenJPEG", "count": 1, "height": array.shape[0], "width": array.shape[1]}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile, **place, dtype=array.dtype, QUALITY="100", REVERSIBLE="YES") as dataset:
        dataset.write(array[None])
    return path


def write_product(folder: Path) -> tuple[Path, np.ndarray]:
    """Two bands of 10 m and one of 20 m, a true-colour picture and a mask that carries a band's name; and their values.

    It covers four cells of the grid.
    """
    values = np.random.default_rng(1).integers(1_001, 9_000, (3, 64, 64)).astype(np.uint16)
    granule = folder / PRODUCT / "GRANULE" / "L2A_T33NZA_A036783_20220706T085611"
    for place, band in enumerate(("B02", "B03")):
        write_jp2(granule / "IMG_DATA" / "R10m" / f"T33NZA_20220706T085611_{band}_10m.jp2", values[place])
    write_jp2(granule / "IMG_DATA" / "R20m" / "T33NZA_20220706T085611_B02_20m.jp2", values[0, ::2, ::2], 20)
    write_jp2(granule / "IMG_DATA" / "R20m" / "T33NZA_20220706T085611_B05_20m.jp2", values[2, :32, :32], 20)
    write_jp2(granule / "IMG_DATA" / "R10m" / "T33NZA_20220706T085611_TCI_10m.jp2", values[0].astype(np.uint8))
    write_jp2(granule / "QI_DATA" / "MSK_QUALIT_B02.jp2", np.zeros((64, 64), np.uint8))
    return folder / PRODUCT, values
