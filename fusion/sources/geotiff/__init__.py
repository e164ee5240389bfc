"""Local GeoTIFFs and COGs: refused by name or read as they lie, cut to the grid, written whole."""

from fusion.sources.geotiff.writing import write_cog

__all__ = ["write_cog"]
