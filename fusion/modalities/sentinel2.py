"""Sentinel-2 MSI surface reflectance, the ten land bands that So2Sat keeps, on a 10 m grid: one date, seasons, any."""

from fusion.modality import Band, Modality, View

# Centre wavelengths of Sentinel-2A: ESA, Sentinel-2 Spectral Response Functions (S2-SRF), COPE-GSEG-EOPG-TN-15-0007.
MODALITY = Modality(
    name="sentinel2",
    title="Sentinel-2",
    kind="raster",
    dims=("band", "y", "x"),
    bands=(
        Band(name="B2", title="Blue", wavelength_nm=492.4, width_nm=66.0, pixel_size_m=10.0),
        Band(name="B3", title="Green", wavelength_nm=559.8, width_nm=36.0, pixel_size_m=10.0),
        Band(name="B4", title="Red", wavelength_nm=664.6, width_nm=31.0, pixel_size_m=10.0),
        Band(name="B5", title="Red edge 1", wavelength_nm=704.1, width_nm=15.0, pixel_size_m=20.0),
        Band(name="B6", title="Red edge 2", wavelength_nm=740.5, width_nm=15.0, pixel_size_m=20.0),
        Band(name="B7", title="Red edge 3", wavelength_nm=782.8, width_nm=20.0, pixel_size_m=20.0),
        Band(name="B8", title="Near infrared", wavelength_nm=832.8, width_nm=106.0, pixel_size_m=10.0),
        Band(name="B8A", title="Near infrared, narrow", wavelength_nm=864.7, width_nm=21.0, pixel_size_m=20.0),
        Band(name="B11", title="Short-wave infrared 1", wavelength_nm=1613.7, width_nm=91.0, pixel_size_m=20.0),
        Band(name="B12", title="Short-wave infrared 2", wavelength_nm=2202.4, width_nm=175.0, pixel_size_m=20.0),
    ),
    dtype="uint16",
    scale=1e-4,
    nodata=0,
    # DN + offset: reflectance from -0.1 to 2; bright roofs and glint go beyond 1.
    valid_range=(-0.1, 2.0),
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
            channels=("B8", "B4", "B3"),
            low=(0.0, 0.0, 0.0),
            high=(0.50, 0.30, 0.30),
            help="Near infrared as red: plants are red, water is black, built surfaces are grey to cyan.",
        ),
        View(
            name="swir",
            title="Short-wave infrared",
            channels=("B12", "B8A", "B4"),
            low=(0.0, 0.0, 0.0),
            high=(0.45, 0.50, 0.30),
            help="Bare soil and dry roofs are pink to orange, plants are green, water is black.",
        ),
    ),
    source="Drusch et al. 2012, Remote Sensing of Environment 120, doi 10.1016/j.rse.2011.11.026",
)
