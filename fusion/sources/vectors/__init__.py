"""Shapes with attributes: GeoJSON, GeoPackage, Shapefile and OpenStreetMap PBF; building footprints and tags."""

from fusion.source import Source
from fusion.sources.vectors.buildings import Building, read_buildings
from fusion.sources.vectors.reading import SUFFIXES, Shapes, inspect_layers, read_layer

__all__ = ["SOURCE", "Building", "Shapes", "inspect_layers", "read_buildings", "read_layer"]

SOURCE = Source(
    name="vectors", title="Vectors (GeoJSON, GeoPackage, Shapefile, OSM PBF)", suffixes=SUFFIXES, look=inspect_layers
)
