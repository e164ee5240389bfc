"""Backscatter in decibel: a pixel without data is no pixel of 0 dB."""

import numpy as np
import pytest

from fusion import grid, modality
from fusion.band_statistics import BandStatistics
from fusion.sources.geotiff import read_cells, write_cog

GRD = modality.find("sentinel1_grd")


def test_pixels_without_data_are_not_taken_for_0_decibel(tmp_path):
    cell = grid.cell_at(-0.76, 38.1)
    west, _south, _east, north = cell.bounds
    stored = np.full((2, 32, 32), -12.0, dtype=np.float32)
    stored[:, :8] = np.nan
    path = write_cog(
        tmp_path / "grd.tif", stored, epsg=cell.epsg, transform=(10, 0, west, 0, -10, north), nodata=np.nan,
        band_names=GRD.band_names,
    )  # fmt: skip
    values, valid = read_cells(path, GRD.band_names, [cell])
    assert valid.mean() == 0.75
    tally = BandStatistics(modality=GRD, dims=GRD.dims)
    tally.add(values)
    found = tally.summarise()
    assert found["pixels"] == [768, 768]
    assert found["mean"] == pytest.approx([-12.0, -12.0])
