"""Aerial photographs as orthophotos: red, green, blue, and near infrared where the camera has it."""

from fusion.modality import Band, Modality, View

# Centres are midpoints of the filters of a large-format camera (blue 410-540, green 480-630, red 580-700, near
# infrared 690-1000 nm: Vexcel UltraCamX); other cameras differ by some ten nm. Stored digital numbers are shown and
# learned as 0 to 1; they are no reflectance.
MODALITY = Modality(
    name="aerial",
    title="Aerial photo",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(
        Band(name="red", title="Red", wavelength_nm=640.0, width_nm=120.0),
        Band(name="green", title="Green", wavelength_nm=555.0, width_nm=150.0),
        Band(name="blue", title="Blue", wavelength_nm=475.0, width_nm=130.0),
        Band(name="nir", title="Near infrared", wavelength_nm=845.0, width_nm=310.0),
    ),
    dtype="uint8",
    scale=1 / 255,
    valid_range=(0.0, 1.0),
    times="any",
    views=(
        View(
            name="true_colour",
            title="True colour",
            channels=("red", "green", "blue"),
            low=(0.0, 0.0, 0.0),
            high=(1.0, 1.0, 1.0),
            help="Red, green and blue as the eye sees them.",
        ),
        View(
            name="false_colour",
            title="False colour",
            channels=("nir", "red", "green"),
            low=(0.0, 0.0, 0.0),
            high=(1.0, 1.0, 1.0),
            help="Near infrared as red: plants are red, roofs and streets are grey to cyan.",
        ),
    ),
    source="Leberl & Gruber 2009, Photogrammetric Week, UltraCamX",
)
