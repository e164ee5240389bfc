"""Point clouds of airborne laser scanning: position, strength of the echo, number of the return, class."""

from fusion.modality import Band, Modality, RasterClass, View

HEIGHTS = ("#2c3e70", "#2f7f8f", "#57b36b", "#d9d35f", "#f3f0e6")

# ASPRS, LAS Specification 1.4-R15: intensity and classes (table 17). x and y are metres east and north of the
# sample's south-west corner, so that float32 holds millimetres; z is metres above the vertical datum of the source.
# 1,000 for the bend of asinh is an assumption: intensity is not calibrated and differs from sensor to sensor.
MODALITY = Modality(
    name="lidar",
    title="LiDAR points",
    kind="points",
    dims=("point", "band"),
    bands=(
        Band(name="x", title="East", unit="m"),
        Band(name="y", title="North", unit="m"),
        Band(name="z", title="Height", unit="m"),
        Band(name="intensity", title="Intensity", stretch="asinh", floor=1000.0),
        Band(name="return_number", title="Number of the return"),
        Band(name="classification", title="Class", unit="class"),
    ),
    dtype="float32",
    valid_range=(-1e7, 1e7),
    classes=(
        RasterClass(value=0, title="Never classified", colour="#b0b0b0"),
        RasterClass(value=1, title="Unclassified", colour="#9a9a9a"),
        RasterClass(value=2, title="Ground", colour="#a0764a"),
        RasterClass(value=3, title="Low vegetation", colour="#b6d98a"),
        RasterClass(value=4, title="Medium vegetation", colour="#6fb04a"),
        RasterClass(value=5, title="High vegetation", colour="#2f7d32"),
        RasterClass(value=6, title="Building", colour="#d1495b"),
        RasterClass(value=7, title="Low noise", colour="#ff00ff"),
        RasterClass(value=9, title="Water", colour="#3f7fd6"),
        RasterClass(value=10, title="Rail", colour="#5b4b8a"),
        RasterClass(value=11, title="Road surface", colour="#4d4d4d"),
        RasterClass(value=17, title="Bridge deck", colour="#c98f3c"),
        RasterClass(value=18, title="High noise", colour="#ff66ff"),
    ),
    views=(
        View(
            name="heights",
            title="Heights from above",
            channels=("z", "z", "z"),
            low=(1.0, 1.0, 1.0),
            high=(99.0, 99.0, 99.0),
            limits="own",
            shown="relief",
            ramp=HEIGHTS,
            help="The highest point of each cell: low is blue, high is pale, with light from the upper left.",
        ),
        View(
            name="intensity",
            title="Strength of the echo",
            channels=("intensity", "intensity", "intensity"),
            low=(2.0, 2.0, 2.0),
            high=(98.0, 98.0, 98.0),
            limits="own",
            ramp=("#000000", "#ffffff"),
            help="Paint and leaves echo strongly, wet asphalt and water hardly.",
        ),
        View(
            name="classes",
            title="Classes",
            channels=("classification", "classification", "classification"),
            low=(0.0, 0.0, 0.0),
            high=(18.0, 18.0, 18.0),
            shown="classes",
            help="Brown is ground, green plants, red buildings, blue water, grey not classified.",
        ),
    ),
    source="ASPRS, LAS Specification 1.4-R15, 2019",
)
