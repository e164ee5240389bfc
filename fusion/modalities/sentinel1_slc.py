"""Sentinel-1 single-look complex: calibrated amplitude and phase of VV and VH."""

from fusion.modality import Band, Modality, View

# ESA, Sentinel-1 Product Specification, S1-RS-MDA-52-7441. Calibrated to sigma nought, so |value|^2 is backscatter;
# the floor of 0.05 is -26 dB, dark ground. The phase is kept by the stretch.
MODALITY = Modality(
    name="sentinel1_slc",
    title="Sentinel-1 SLC",
    kind="complex",
    dims=("band", "y", "x"),
    bands=(
        Band(name="VV", title="VV scattering", stretch="asinh", floor=0.05),
        Band(name="VH", title="VH scattering", stretch="asinh", floor=0.05),
    ),
    dtype="complex64",
    # Exactly 0 + 0i is not measured: it fills what lies outside a burst.
    nodata=0.0,
    times="any",
    views=(
        View(
            name="radar",
            title="Radar",
            channels=("VV", "VH", "VV/VH"),
            low=(-20.0, -26.0, 0.0),
            high=(3.0, -3.0, 15.0),
            shown="amplitude",
            help="VV, VH and their ratio in dB, with speckle: buildings are bright, forest is green, water is dark.",
        ),
        View(
            name="phase",
            title="Phase of VV",
            channels=("VV", "VV", "VV"),
            low=(-3.1416, -3.1416, -3.1416),
            high=(3.1416, 3.1416, 3.1416),
            shown="phase",
            ramp=("#3b4cc0", "#f2f2f2", "#b40426", "#3b4cc0"),
            help="The angle of VV once round the circle of colours; noise, unless two dates are compared.",
        ),
    ),
    # Lines are azimuth and columns slant range: their spacings differ, and TOPS leaves a phase ramp in azimuth whose
    # sign a mirror or a turn would change (De Zan and Monti Guarnieri 2006, doi 10.1109/TGRS.2006.873853).
    symmetries="none",
    source="Torres et al. 2012, Remote Sensing of Environment 120, doi 10.1016/j.rse.2011.05.028",
)
