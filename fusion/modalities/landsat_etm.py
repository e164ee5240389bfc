"""Landsat 5 TM and 7 ETM+, the six reflective bands as 8-bit digital numbers (Taizhou, long series since 1984)."""

from fusion.modality import Band, Modality, View

# USGS, Landsat 7 Data Users Handbook, LSDS-1927: edges of the ETM+ bands; centres are their midpoints. Digital
# numbers are not calibrated from scene to scene, so pictures are shown over their own range.
EDGES_NM = {
    "B1": ("Blue", 450, 515),
    "B2": ("Green", 525, 605),
    "B3": ("Red", 630, 690),
    "B4": ("Near infrared", 775, 900),
    "B5": ("Short-wave infrared 1", 1550, 1750),
    "B7": ("Short-wave infrared 2", 2090, 2350),
}
OWN_LOW, OWN_HIGH = (2.0, 2.0, 2.0), (98.0, 98.0, 98.0)

MODALITY = Modality(
    name="landsat_etm",
    title="Landsat 5/7",
    kind="raster",
    dims=("time", "band", "y", "x"),
    bands=tuple(
        Band(
            name=name,
            title=title,
            wavelength_nm=(first + last) / 2,
            width_nm=float(last - first),
            pixel_size_m=30.0,
            unit="DN",
        )
        for name, (title, first, last) in EDGES_NM.items()
    ),
    dtype="uint8",
    nodata=0,
    valid_range=(0, 255),
    times="any",
    views=(
        View(
            name="true_colour",
            title="True colour",
            channels=("B3", "B2", "B1"),
            low=OWN_LOW,
            high=OWN_HIGH,
            limits="own",
            help="Red, green and blue, each over its own range in this picture.",
        ),
        View(
            name="false_colour",
            title="False colour",
            channels=("B4", "B3", "B2"),
            low=OWN_LOW,
            high=OWN_HIGH,
            limits="own",
            help="Near infrared as red: plants are red, water is black, built surfaces are grey to cyan.",
        ),
    ),
    source="Mou, Bruzzone & Zhu 2019, IEEE TGRS 57(2), doi 10.1109/TGRS.2018.2863224",
)
