"""Video from space or the air: frames with a time each, and one georeference for the clip."""

from fusion.modality import Band, Modality, View

# The transform of the clip's sample holds for every frame (frames are stabilised first); wavelengths are those of a
# Bayer filter, an assumption. Tracks in pixels and frames are a target of the pack.
MODALITY = Modality(
    name="video",
    title="Video",
    kind="raster",
    dims=("time", "band", "y", "x"),
    bands=(
        Band(name="red", title="Red", wavelength_nm=600.0, width_nm=100.0),
        Band(name="green", title="Green", wavelength_nm=540.0, width_nm=100.0),
        Band(name="blue", title="Blue", wavelength_nm=460.0, width_nm=100.0),
    ),
    dtype="uint8",
    scale=1 / 255,
    valid_range=(0.0, 1.0),
    times="any",
    facts=("frames_per_second",),
    views=(
        View(
            name="frame",
            title="Frame",
            channels=("red", "green", "blue"),
            low=(0.0, 0.0, 0.0),
            high=(1.0, 1.0, 1.0),
            help="One frame as the camera saw it.",
        ),
    ),
    source="Mou et al. 2017, IEEE JSTARS 10(8), doi 10.1109/JSTARS.2017.2696823",
)
