"""Weather stations: a series of measurements at a point, one row per moment."""

from fusion.modality import Band, Modality, View

# WMO, Guide to Instruments and Methods of Observation, WMO-No. 8: variables and units. `seconds` counts from the
# sample's first moment. -9999 marks a gap in a row that has other values.
MODALITY = Modality(
    name="weather_station",
    title="Weather station",
    kind="series",
    dims=("time", "band"),
    bands=(
        Band(name="seconds", title="Time since the first moment", unit="s"),
        Band(name="air_temperature", title="Air temperature", unit="degC"),
        Band(name="relative_humidity", title="Relative humidity", unit="%"),
        Band(name="wind_speed", title="Wind speed", unit="m/s"),
        Band(name="pressure", title="Air pressure", unit="hPa"),
        Band(name="precipitation", title="Precipitation", unit="mm"),
        Band(name="global_radiation", title="Global radiation", unit="W/m2"),
    ),
    dtype="float32",
    nodata=-9999.0,
    times="any",
    facts=("longitude", "latitude", "height_above_ground_m"),
    views=(
        View(
            name="air_temperature",
            title="Air temperature",
            channels=("air_temperature", "air_temperature", "air_temperature"),
            low=(-20.0, -20.0, -20.0),
            high=(40.0, 40.0, 40.0),
            help="Air temperature from the first moment to the last, -20 to 40 degrees Celsius from bottom to top.",
        ),
    ),
    # There is nothing to turn.
    symmetries="none",
    source="Stewart & Oke 2012, BAMS 93(12), doi 10.1175/BAMS-D-11-00019.1",
)
