"""Sentinel-1 ground-range backscatter (sigma nought or gamma nought), VV and VH, already in decibel."""

from fusion.modality import Band, Modality, View

MODALITY = Modality(
    name="sentinel1_grd",
    title="Sentinel-1 GRD",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(
        Band(name="VV", title="VV backscatter", unit="dB"),
        Band(name="VH", title="VH backscatter", unit="dB"),
    ),
    dtype="float32",
    # Exactly 0 dB is not measured; it is what SNAP and our own reader write where there are no data.
    nodata=0.0,
    # Nothing on land lies outside: the noise floor is near -35 dB and corner reflectors near 30 dB.
    valid_range=(-80.0, 50.0),
    times="any",
    views=(
        View(
            name="radar",
            title="Radar",
            channels=("VV", "VH", "VV/VH"),
            low=(-20.0, -26.0, 0.0),
            high=(3.0, -3.0, 15.0),
            help="VV, VH and their ratio in dB: buildings are bright, forest is green, water is dark or blue.",
        ),
    ),
    source="Torres et al. 2012, Remote Sensing of Environment 120, doi 10.1016/j.rse.2011.05.028",
)
