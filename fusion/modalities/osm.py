"""OpenStreetMap drawn on the grid: one code per pixel for buildings by use, roads, rail, water and green."""

from fusion.modality import Band, Modality, RasterClass, View

# OpenStreetMap wiki, Map features. Later classes are drawn over earlier ones, so that a building stands on its land
# use; the codes are ours.
MODALITY = Modality(
    name="osm",
    title="OpenStreetMap",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(Band(name="class", title="Class", unit="class"),),
    dtype="uint8",
    valid_range=(0, 12),
    classes=(
        RasterClass(value=0, title="Nothing mapped", colour="#f2efe9"),
        RasterClass(value=1, title="Farmland, meadow, grass", colour="#cfe3a6"),
        RasterClass(value=2, title="Forest, wood", colour="#7fb077"),
        RasterClass(value=3, title="Park, sports", colour="#a9dcb0"),
        RasterClass(value=4, title="Water", colour="#8fbfe0"),
        RasterClass(value=5, title="Residential land", colour="#dcd3cd"),
        RasterClass(value=6, title="Commercial or industrial land", colour="#e3c7dc"),
        RasterClass(value=7, title="Road", colour="#8c8c8c"),
        RasterClass(value=8, title="Rail", colour="#4f4f4f"),
        RasterClass(value=9, title="Building, use unknown", colour="#b07a5e"),
        RasterClass(value=10, title="Building, residential", colour="#d1495b"),
        RasterClass(value=11, title="Building, commercial", colour="#7a4fa3"),
        RasterClass(value=12, title="Building, industrial", colour="#3d3d8f"),
    ),
    views=(
        View(
            name="map",
            title="Map",
            channels=("class", "class", "class"),
            low=(0.0, 0.0, 0.0),
            high=(12.0, 12.0, 12.0),
            shown="classes",
            help="Red buildings are homes, violet shops and offices, blue industry, brown not known.",
        ),
    ),
    source="OpenStreetMap contributors, ODbL 1.0",
)
