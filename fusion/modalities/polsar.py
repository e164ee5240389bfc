"""Fully polarimetric radar: the complex scattering matrix of each pixel, HH, HV, VH, VV."""

from fusion.modality import Band, Modality, View

# Lee & Pottier 2009, Polarimetric Radar Imaging, CRC Press: Pauli basis (HH-VV, HV+VH, HH+VV) / sqrt(2), here as
# red, green, blue. Calibrated amplitudes: |value|^2 is backscatter; the floor of 0.05 is -26 dB.
MODALITY = Modality(
    name="polsar",
    title="PolSAR scattering",
    kind="complex",
    dims=("band", "y", "x"),
    bands=tuple(
        Band(name=name, title=f"{name} scattering", stretch="asinh", floor=0.05) for name in ("HH", "HV", "VH", "VV")
    ),
    dtype="complex64",
    nodata=0.0,
    times="any",
    views=(
        View(
            name="pauli",
            title="Pauli",
            channels=("(HH-VV)*0.7071", "(HV+VH)*0.7071", "(HH+VV)*0.7071"),
            low=(-25.0, -30.0, -25.0),
            high=(5.0, 0.0, 5.0),
            shown="amplitude",
            help="Red: two bounces, walls and streets. Green: volume, trees. Blue: one bounce, water and bare ground.",
        ),
    ),
    # An aircraft may fly any way, so turns are other flights; a mirror would change the sign of the helix, Im(T23),
    # and of the cross-polar terms (Lee and Pottier 2009, chapter 3).
    symmetries="turns",
    source="Lee & Pottier 2009, Polarimetric Radar Imaging: From Basics to Applications, CRC Press",
)
