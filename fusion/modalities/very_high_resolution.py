"""Very-high-resolution satellite images below a metre or so: panchromatic, red, green, blue, near infrared."""

from fusion.modality import Band, Modality, View

# Midpoints of the band edges of WorldView-2 and 3 (DigitalGlobe, The Benefits of the Eight Spectral Bands of
# WorldView-2, 2010): pan 450-800, blue 450-510, green 510-580, red 630-690, near infrared 770-895 nm. Numbers are
# 11-bit and more, not calibrated here, so pictures are shown over their own range.
MODALITY = Modality(
    name="very_high_resolution",
    title="Very high resolution",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(
        Band(name="pan", title="Panchromatic", wavelength_nm=625.0, width_nm=350.0, pixel_size_m=0.5, unit="DN"),
        Band(name="red", title="Red", wavelength_nm=660.0, width_nm=60.0, pixel_size_m=2.0, unit="DN"),
        Band(name="green", title="Green", wavelength_nm=545.0, width_nm=70.0, pixel_size_m=2.0, unit="DN"),
        Band(name="blue", title="Blue", wavelength_nm=480.0, width_nm=60.0, pixel_size_m=2.0, unit="DN"),
        Band(name="nir", title="Near infrared", wavelength_nm=832.5, width_nm=125.0, pixel_size_m=2.0, unit="DN"),
    ),
    dtype="uint16",
    nodata=0,
    valid_range=(0, 65535),
    times="any",
    views=(
        View(
            name="true_colour",
            title="True colour",
            channels=("red", "green", "blue"),
            low=(2.0, 2.0, 2.0),
            high=(98.0, 98.0, 98.0),
            limits="own",
            help="Red, green and blue, each over its own range in this picture.",
        ),
        View(
            name="false_colour",
            title="False colour",
            channels=("nir", "red", "green"),
            low=(2.0, 2.0, 2.0),
            high=(98.0, 98.0, 98.0),
            limits="own",
            help="Near infrared as red: plants are red, roofs and streets are grey to cyan.",
        ),
        View(
            name="panchromatic",
            title="Panchromatic",
            channels=("pan", "pan", "pan"),
            low=(2.0, 2.0, 2.0),
            high=(98.0, 98.0, 98.0),
            limits="own",
            help="One band over all visible light, with the finest pixels.",
        ),
    ),
    source="DigitalGlobe, The Benefits of the Eight Spectral Bands of WorldView-2, 2010",
)
