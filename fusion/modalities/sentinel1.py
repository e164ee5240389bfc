"""Sentinel-1 dual-polarised single-look data in the eight channels of So2Sat LCZ42 (Zhu et al. 2020)."""

from fusion.modality import Band, Modality, View

# Floors: -35 dB is below Sentinel-1's noise (NESZ -22 dB or better); 0.05 and 0.005 put the bend of asinh near the
# amplitude of dark ground, so that bright buildings are compressed and dark ground is not.
MODALITY = Modality(
    name="sentinel1",
    title="Sentinel-1",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(
        Band(name="vh_re", title="VH, real part", stretch="asinh", floor=0.05),
        Band(name="vh_im", title="VH, imaginary part", stretch="asinh", floor=0.05),
        Band(name="vv_re", title="VV, real part", stretch="asinh", floor=0.05),
        Band(name="vv_im", title="VV, imaginary part", stretch="asinh", floor=0.05),
        Band(name="vh_lee", title="VH intensity, Lee filtered", stretch="decibel", floor=10**-3.5),
        Band(name="vv_lee", title="VV intensity, Lee filtered", stretch="decibel", floor=10**-3.5),
        Band(name="cov_re", title="VH VV* covariance, real part, Lee filtered", stretch="asinh", floor=0.005),
        Band(name="cov_im", title="VH VV* covariance, imaginary part, Lee filtered", stretch="asinh", floor=0.005),
    ),
    dtype="float32",
    times="any",
    views=(
        View(
            name="radar",
            title="Radar",
            channels=("vv_lee", "vh_lee", "vv_lee/vh_lee"),
            low=(-20.0, -26.0, 0.0),
            high=(3.0, -3.0, 15.0),
            help="VV, VH and their ratio in dB: buildings are bright, forest is green, water is dark or blue.",
        ),
    ),
    # Orbits look east and west, and what a patch is does not change with the side it is seen from. A mirror changes the
    # sign of the covariance, which is zero over natural ground (Nghiem et al. 1992, doi 10.1029/92RS01230).
    symmetries="all",
    source="Zhu et al. 2020, IEEE GRSM 8(3), doi 10.1109/MGRS.2020.2964708",
)
