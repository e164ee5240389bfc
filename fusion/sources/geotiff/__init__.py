"""Local GeoTIFFs and COGs: refused by name or read as they lie, cut to the grid, written whole."""

from fusion.sources.geotiff.cells import read_cell, read_cells
from fusion.sources.geotiff.reading import read_window
from fusion.sources.geotiff.writing import write_cog

__all__ = ["read_cell", "read_cells", "read_window", "write_cog"]
