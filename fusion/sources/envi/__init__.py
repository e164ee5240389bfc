"""ENVI: raw pixels with a text header beside them; read in place, never through a raster library."""

from fusion.source import Source
from fusion.sources.envi.converting import write_as_cog
from fusion.sources.envi.reading import SUFFIXES, inspect_envi, read_bands

__all__ = ["SOURCE", "inspect_envi", "read_bands", "write_as_cog"]

SOURCE = Source(name="envi", title="ENVI header with raw pixels", suffixes=SUFFIXES, look=inspect_envi)
