"""Sentinel-2 MSI Level-1C, top-of-atmosphere reflectance, all thirteen bands (EuroSAT, SSL4EO-S12, SEN12MS-CR)."""

from fusion.modalities.sentinel2 import MODALITY as LAND
from fusion.modality import Band, Modality, View

COASTAL = Band(name="B1", title="Coastal aerosol", wavelength_nm=442.7, width_nm=21.0, pixel_size_m=60.0)
VAPOUR = Band(name="B9", title="Water vapour", wavelength_nm=945.1, width_nm=20.0, pixel_size_m=60.0)
CIRRUS = Band(name="B10", title="Cirrus", wavelength_nm=1373.5, width_nm=31.0, pixel_size_m=60.0)

# ESA, Sentinel-2 Spectral Response Functions (S2-SRF), COPE-GSEG-EOPG-TN-15-0007 (S2A); ESA, Sentinel-2 Products
# Specification Document, S2-PDGS-TAS-DI-PSD: reflectance = (DN + RADIO_ADD_OFFSET) / 10,000, the offset by baseline.
MODALITY = Modality(
    name="sentinel2_l1c",
    title="Sentinel-2 L1C",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(COASTAL, *LAND.bands[:8], VAPOUR, CIRRUS, *LAND.bands[8:]),
    dtype="uint16",
    scale=1e-4,
    nodata=0,
    valid_range=(-0.1, 2.8),  # DN are kept below 28,000: snow and cloud towards the sun exceed 1
    times="any",
    views=(
        *LAND.views,
        View(
            name="cirrus",
            title="Cirrus",
            channels=("B10", "B10", "B10"),
            low=(0.0, 0.0, 0.0),
            high=(0.05, 0.05, 0.05),
            help="Thin high cloud is bright; the ground is black, as water vapour swallows its light.",
        ),
    ),
    source="Drusch et al. 2012, Remote Sensing of Environment 120, doi 10.1016/j.rse.2011.11.026",
)
