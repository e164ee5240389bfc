"""Fully polarimetric radar after multi-looking: the covariance matrix C3 of (HH, sqrt(2) HV, VV), upper triangle."""

from fusion.modality import Band, Modality, View

NAMES = ("C11", "C12", "C13", "C22", "C23", "C33")

# Lee & Pottier 2009, as PolSARpro writes C3. The diagonal is real and stored with imaginary part 0. From C3 to the
# Pauli powers: T22 = (C11 + C33) / 2 - Re C13, T33 = C22, T11 = (C11 + C33) / 2 + Re C13. Floor 0.0025: -26 dB.
MODALITY = Modality(
    name="polsar_covariance",
    title="PolSAR covariance",
    kind="complex",
    dims=("band", "y", "x"),
    bands=tuple(Band(name=name, title=f"Covariance {name}", stretch="asinh", floor=0.0025) for name in NAMES),
    dtype="complex64",
    times="any",
    views=(
        View(
            name="pauli",
            title="Pauli",
            channels=("(C11+C33)*0.5-C13", "C22", "(C11+C33)*0.5+C13"),
            low=(-25.0, -30.0, -25.0),
            high=(5.0, 0.0, 5.0),
            shown="power",
            help="Red: two bounces, walls and streets. Green: volume, trees. Blue: one bounce, water and bare ground.",
        ),
    ),
    # An aircraft may fly any way, so turns are other flights; a mirror would change the sign of the helix, Im(T23),
    # and of the cross-polar terms (Lee and Pottier 2009, chapter 3).
    symmetries="turns",
    source="Lee & Pottier 2009, Polarimetric Radar Imaging: From Basics to Applications, CRC Press",
)
