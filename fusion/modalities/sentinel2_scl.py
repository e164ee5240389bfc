"""Scene classification of Sentinel-2 Level-2A: cloud, shadow, snow, water, plants, one code per pixel of 20 m."""

from fusion.modality import Band, Modality, RasterClass, View

# ESA, Sentinel-2 Level-2A Algorithm Theoretical Basis Document, S2-PDGS-MPC-ATBD-L2A, table of the scene
# classification; the colours are those that viewers commonly use.
MODALITY = Modality(
    name="sentinel2_scl",
    title="Sentinel-2 scene classes",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(Band(name="SCL", title="Scene class", unit="class", pixel_size_m=20.0),),
    dtype="uint8",
    nodata=0,
    valid_range=(0, 11),
    times="any",
    classes=(
        RasterClass(value=1, title="Saturated or defective", colour="#ff0000"),
        RasterClass(value=2, title="Dark area or cast shadow", colour="#2f2f2f"),
        RasterClass(value=3, title="Cloud shadow", colour="#643200"),
        RasterClass(value=4, title="Vegetation", colour="#00a000"),
        RasterClass(value=5, title="Not vegetated", colour="#ffe65a"),
        RasterClass(value=6, title="Water", colour="#0000ff"),
        RasterClass(value=7, title="Unclassified", colour="#808080"),
        RasterClass(value=8, title="Cloud, medium probability", colour="#c0c0c0"),
        RasterClass(value=9, title="Cloud, high probability", colour="#ffffff"),
        RasterClass(value=10, title="Thin cirrus", colour="#64c8ff"),
        RasterClass(value=11, title="Snow or ice", colour="#ff96ff"),
    ),
    views=(
        View(
            name="classes",
            title="Scene classes",
            channels=("SCL", "SCL", "SCL"),
            low=(0.0, 0.0, 0.0),
            high=(11.0, 11.0, 11.0),
            shown="classes",
            help="White and grey are cloud, brown is cloud shadow, green plants, yellow bare ground, blue water.",
        ),
    ),
    source="Louis et al. 2016, Sentinel-2 Sen2Cor, ESA Living Planet Symposium SP-740",
)
