"""People per grid cell, residents counted by census and spread over built-up ground (GHS-POP, WorldPop)."""

from fusion.modality import Band, Modality, View

# European Commission, GHSL Data Package 2023, JRC133256: GHS-POP R2023A in people per cell, nodata -200. asinh with a
# bend at 1 person is close to a logarithm that knows 0; 8.0 is about 1,500 people in a cell.
MODALITY = Modality(
    name="population",
    title="Population",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(Band(name="people", title="People", unit="people", stretch="asinh", floor=1.0, pixel_size_m=100.0),),
    dtype="float32",
    nodata=-200.0,
    valid_range=(0.0, 1e6),
    views=(
        View(
            name="people",
            title="People",
            channels=("people", "people", "people"),
            low=(0.0, 0.0, 0.0),
            high=(8.0, 8.0, 8.0),
            ramp=("#fff7ec", "#fdbb84", "#d7301f", "#4a0006"),
            help="Pale is nobody, dark red is 1,500 people or more in a cell.",
        ),
    ),
    source="Schiavina et al. 2023, GHS-POP R2023A, doi 10.2905/2FF68A52-5B5B-4A22-8F40-C41DA8332CFE",
)
