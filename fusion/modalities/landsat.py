"""Landsat 8 and 9 OLI surface reflectance, Collection 2 Level 2, as one date or a series of dates."""

from fusion.modality import Band, Modality, View

# USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide, LSDS-1619: reflectance = DN * 0.0000275 - 0.2, fill 0,
# DN 1 to 65,455 (valid 7,273 to 43,636). Bands: USGS, Landsat 8 Data Users Handbook, LSDS-1574 (midpoints of edges).
SCALE = 2.75e-5
EDGES_NM = {
    "B1": ("Coastal aerosol", 435, 451),
    "B2": ("Blue", 452, 512),
    "B3": ("Green", 533, 590),
    "B4": ("Red", 636, 673),
    "B5": ("Near infrared", 851, 879),
    "B6": ("Short-wave infrared 1", 1566, 1651),
    "B7": ("Short-wave infrared 2", 2107, 2294),
}

MODALITY = Modality(
    name="landsat",
    title="Landsat 8/9",
    kind="raster",
    dims=("time", "band", "y", "x"),
    bands=tuple(
        Band(name=name, title=title, wavelength_nm=(first + last) / 2, width_nm=float(last - first), pixel_size_m=30.0)
        for name, (title, first, last) in EDGES_NM.items()
    ),
    dtype="uint16",
    scale=SCALE,
    offset=-0.2 / SCALE,
    nodata=0,
    valid_range=(-0.2, 1.61),
    times="any",
    views=(
        View(
            name="true_colour",
            title="True colour",
            channels=("B4", "B3", "B2"),
            low=(0.0, 0.0, 0.0),
            high=(0.30, 0.30, 0.30),
            help="Red, green and blue as the eye sees them.",
        ),
        View(
            name="false_colour",
            title="False colour",
            channels=("B5", "B4", "B3"),
            low=(0.0, 0.0, 0.0),
            high=(0.50, 0.30, 0.30),
            help="Near infrared as red: plants are red, water is black, built surfaces are grey to cyan.",
        ),
        View(
            name="swir",
            title="Short-wave infrared",
            channels=("B7", "B5", "B4"),
            low=(0.0, 0.0, 0.0),
            high=(0.45, 0.50, 0.30),
            help="Bare soil and dry roofs are pink to orange, plants are green, water is black.",
        ),
    ),
    source="Roy et al. 2014, Remote Sensing of Environment 145, doi 10.1016/j.rse.2014.02.001",
)
