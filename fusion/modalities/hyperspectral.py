"""Hyperspectral cubes of any sensor: any number of bands, with the wavelengths that each file states."""

from fusion.modality import Modality, View

OWN_RANGE = {"low": (2.0, 2.0, 2.0), "high": (98.0, 98.0, 98.0)}

# Defaults are those of EnMAP Level 2A (DLR, EnMAP HSI Level 1B, 1C, 2A Product Specification, EN-PCV-ICD-2009-2):
# int16, reflectance x 10,000, background -32768. A file of another sensor brings its own dtype, scale and offset.
# Bands come from the file: `fusion.spectrum.name_bands` and `declare_bands`. nm650 is the band nearest to 650 nm.
MODALITY = Modality(
    name="hyperspectral",
    title="Hyperspectral",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(),
    has_own_bands=True,
    dtype="int16",
    scale=1e-4,
    nodata=-32768,
    times="any",
    views=(
        View(
            name="true_colour",
            title="True colour",
            channels=("nm650", "nm560", "nm480"),
            low=OWN_RANGE["low"],
            high=OWN_RANGE["high"],
            limits="own",
            help="The bands nearest to red, green and blue, each over its own range in this picture.",
        ),
        View(
            name="false_colour",
            title="False colour",
            channels=("nm830", "nm650", "nm560"),
            low=OWN_RANGE["low"],
            high=OWN_RANGE["high"],
            limits="own",
            help="Near infrared as red: plants are red, water is black, built surfaces are grey to cyan.",
        ),
        View(
            name="swir",
            title="Short-wave infrared",
            channels=("nm2200", "nm1650", "nm830"),
            low=OWN_RANGE["low"],
            high=OWN_RANGE["high"],
            limits="own",
            help="Minerals and roofs differ in colour, plants are blue to green, water is black.",
        ),
    ),
    source="Guanter et al. 2015, Remote Sensing 7, doi 10.3390/rs70708830",
)
