"""OpenStreetMap as it is: footprints and lines with their tags, one GeoJSON text per sample."""

from fusion.modality import Band, Modality

# RFC 7946 (GeoJSON): longitude and latitude of WGS 84, tags as properties. Text, because tags have no fixed set.
MODALITY = Modality(
    name="osm_features",
    title="OpenStreetMap features",
    kind="text",
    dims=("byte",),
    bands=(Band(name="utf8", title="UTF-8 bytes", unit="byte"),),
    dtype="uint8",
    valid_range=(0, 255),
    media_type="application/geo+json",
    no_picture="Features are drawn on the map; modality osm is their picture on the grid.",
    # There is nothing to turn.
    symmetries="none",
    source="OpenStreetMap contributors, ODbL 1.0",
)
