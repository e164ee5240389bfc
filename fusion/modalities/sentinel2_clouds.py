"""Cloud over Sentinel-2: probability in percent, as Level-2A's MSK_CLDPRB or s2cloudless give it."""

from fusion.modality import Band, Modality, View

# ESA, Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD: MSK_CLDPRB holds 0 to 100. A mask of 0 and 1
# is stored as 0 and 100. 255 for no data is our assumption: the product has no value of its own for it.
MODALITY = Modality(
    name="sentinel2_clouds",
    title="Sentinel-2 clouds",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(Band(name="CLP", title="Cloud probability", pixel_size_m=20.0),),
    dtype="uint8",
    scale=0.01,
    nodata=255,
    valid_range=(0.0, 1.0),
    times="any",
    views=(
        View(
            name="clouds",
            title="Cloud probability",
            channels=("CLP", "CLP", "CLP"),
            low=(0.0, 0.0, 0.0),
            high=(1.0, 1.0, 1.0),
            help="White is surely cloud, black is surely clear.",
        ),
    ),
    source="Skakun et al. 2022, Remote Sensing of Environment 274, doi 10.1016/j.rse.2022.112990",
)
