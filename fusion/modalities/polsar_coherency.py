"""Fully polarimetric radar after multi-looking: the coherency matrix T3 in the Pauli basis, upper triangle."""

from fusion.modality import Band, Modality, View

NAMES = ("T11", "T12", "T13", "T22", "T23", "T33")

# Lee & Pottier 2009, as PolSARpro writes T3: k = (HH + VV, HH - VV, 2 HV) / sqrt(2). The diagonal is real and stored
# with imaginary part 0. Floor 0.0025: -26 dB.
MODALITY = Modality(
    name="polsar_coherency",
    title="PolSAR coherency",
    kind="complex",
    dims=("band", "y", "x"),
    bands=tuple(Band(name=name, title=f"Coherency {name}", stretch="asinh", floor=0.0025) for name in NAMES),
    dtype="complex64",
    times="any",
    views=(
        View(
            name="pauli",
            title="Pauli",
            channels=("T22", "T33", "T11"),
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
