"""Height of the ground or surface above sea level on a regular grid (Copernicus DEM, SRTM, national models)."""

from fusion.modality import Band, Modality, View

# ESA, Copernicus DEM Product Handbook, AO/1-9422/18/I-LG: GLO-30 holds float32 metres above EGM2008. -32768 is the
# void of SRTM (USGS, SRTM Collection User Guide). The Dead Sea's shore lies at -430 m, Everest at 8,849 m.
MODALITY = Modality(
    name="elevation",
    title="Elevation",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(Band(name="elevation", title="Elevation", unit="m", pixel_size_m=30.0),),
    dtype="float32",
    nodata=-32768.0,
    valid_range=(-500.0, 9000.0),
    times="none",
    views=(
        View(
            name="relief",
            title="Relief",
            channels=("elevation", "elevation", "elevation"),
            low=(1.0, 1.0, 1.0),
            high=(99.0, 99.0, 99.0),
            limits="own",
            shown="relief",
            ramp=("#3f7f5f", "#9fbf7f", "#e6dba6", "#b98d5d", "#f4f0ec"),
            help="Low ground is green, high ground brown to white, over this picture's own range of heights.",
        ),
    ),
    source="ESA, Copernicus DEM Product Handbook, AO/1-9422/18/I-LG",
)
