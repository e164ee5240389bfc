"""Sentinel-2 MSI Level-2A, surface reflectance, the twelve bands without cirrus (BigEarthNet, Major TOM)."""

from dataclasses import replace

from fusion.modalities.sentinel2 import MODALITY as LAND
from fusion.modalities.sentinel2_l1c import MODALITY as TOP

# ESA, Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD: reflectance = (DN + BOA_ADD_OFFSET) / 10,000.
MODALITY = replace(
    TOP,
    name="sentinel2_l2a",
    title="Sentinel-2 L2A",
    bands=tuple(band for band in TOP.bands if band.name != "B10"),
    valid_range=(-0.1, 2.0),
    views=LAND.views,
)
