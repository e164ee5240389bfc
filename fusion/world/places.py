"""Where a made-up city may stand: rough places on land, one per UTM zone, with their culture zone and climate."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Place:
    """A stretch of inland country.

    `dryness` runs from 0 (lush) to 1 (desert edge), `deciduous` is the share of trees that lose their leaves. Places,
    culture zones (as coarse as So2Sat's ten) and both climate figures are assumptions, chosen to be plausible.
    """

    lon: float
    lat: float
    culture_zone: str
    dryness: float
    deciduous: float


def _place(lon: float, lat: float, culture_zone: str, dryness: float, deciduous: float) -> Place:
    return Place(lon=lon, lat=lat, culture_zone=culture_zone, dryness=dryness, deciduous=deciduous)


# No two lie in one UTM zone and hemisphere; all lie at least a degree inside their zone, so that a jitter stays inside.
PLACES = (
    _place(2.6, 47.3, "Western Europe", 0.2, 0.8),
    _place(9.4, 51.2, "Western Europe", 0.1, 0.7),
    _place(-4.6, 40.9, "Southern Europe", 0.6, 0.3),
    _place(15.8, 49.4, "Eastern Europe", 0.2, 0.7),
    _place(21.2, 47.1, "Eastern Europe", 0.3, 0.8),
    _place(33.4, 52.6, "Eastern Europe", 0.2, 0.8),
    _place(-80.6, 40.7, "North America", 0.2, 0.9),
    _place(-93.3, 38.4, "North America", 0.3, 0.8),
    _place(-105.2, 33.2, "North America", 0.8, 0.3),
    _place(-74.4, 4.9, "Latin America", 0.2, 0.1),
    _place(-62.8, -33.1, "Latin America", 0.3, 0.4),
    _place(-51.3, -23.2, "Latin America", 0.2, 0.2),
    _place(-99.4, 19.9, "Latin America", 0.5, 0.2),
    _place(27.6, 38.9, "Middle East and North Africa", 0.8, 0.1),
    _place(39.2, 37.4, "Middle East and North Africa", 0.7, 0.2),
    _place(52.3, 35.2, "Middle East and North Africa", 0.8, 0.3),
    _place(28.1, -25.9, "Sub-Saharan Africa", 0.5, 0.3),
    _place(37.3, -0.9, "Sub-Saharan Africa", 0.4, 0.1),
    _place(-7.6, 7.4, "Sub-Saharan Africa", 0.3, 0.1),
    _place(75.6, 22.4, "South Asia", 0.6, 0.3),
    _place(80.4, 26.7, "South Asia", 0.5, 0.3),
    _place(87.6, 24.1, "South Asia", 0.3, 0.2),
    _place(105.4, 29.8, "East Asia", 0.2, 0.4),
    _place(115.6, 33.1, "East Asia", 0.3, 0.7),
    _place(127.6, 36.3, "East Asia", 0.2, 0.7),
    _place(100.4, 15.9, "Southeast Asia", 0.2, 0.2),
    _place(111.3, -7.4, "Southeast Asia", 0.2, 0.1),
    _place(147.4, -36.2, "Oceania", 0.5, 0.1),
    _place(117.2, -32.3, "Oceania", 0.7, 0.1),
)
