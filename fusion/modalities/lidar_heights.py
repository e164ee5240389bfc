"""Height rasters made of a point cloud: surface (DSM), terrain (DTM), height above ground (nDSM), canopy."""

from fusion.modalities.lidar import HEIGHTS
from fusion.modality import Band, Modality, View

# nDSM = DSM - DTM; canopy is the nDSM of vegetation alone, 0 elsewhere. Heights above ground from -1 to 60 m cover
# houses and trees; towers are shown as 60 m. -9999 is the customary nodata of height grids (Esri ASCII raster).
MODALITY = Modality(
    name="lidar_heights",
    title="Heights",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(
        Band(name="surface", title="Surface (DSM)", unit="m"),
        Band(name="terrain", title="Terrain (DTM)", unit="m"),
        Band(name="above_ground", title="Height above ground (nDSM)", unit="m"),
        Band(name="canopy", title="Canopy height", unit="m"),
    ),
    dtype="float32",
    nodata=-9999.0,
    valid_range=(-500.0, 9000.0),
    views=(
        View(
            name="height",
            title="Height above ground",
            channels=("above_ground", "above_ground", "above_ground"),
            low=(-1.0, -1.0, -1.0),
            high=(60.0, 60.0, 60.0),
            shown="relief",
            ramp=HEIGHTS,
            help="Streets are dark blue, houses green, towers pale; light comes from the upper left.",
        ),
        View(
            name="surface",
            title="Surface",
            channels=("surface", "surface", "surface"),
            low=(1.0, 1.0, 1.0),
            high=(99.0, 99.0, 99.0),
            limits="own",
            shown="relief",
            ramp=HEIGHTS,
            help="Ground, roofs and crowns over this picture's own range of heights.",
        ),
        View(
            name="terrain",
            title="Terrain",
            channels=("terrain", "terrain", "terrain"),
            low=(1.0, 1.0, 1.0),
            high=(99.0, 99.0, 99.0),
            limits="own",
            shown="relief",
            ramp=HEIGHTS,
            help="Bare ground over this picture's own range of heights.",
        ),
        View(
            name="canopy",
            title="Canopy",
            channels=("canopy", "canopy", "canopy"),
            low=(0.0, 0.0, 0.0),
            high=(40.0, 40.0, 40.0),
            ramp=("#f4f1e8", "#b6d98a", "#2f7d32", "#0f3d1e"),
            help="Trees and shrubs alone: the darker, the higher, up to 40 m.",
        ),
    ),
    source="ASPRS, LAS Specification 1.4-R15, 2019",
)
