"""Local GeoTIFFs, COGs and JPEG 2000: refused by name or read as they lie, cut to the grid, written whole."""

from fusion.file_info import hash_file
from fusion.source import Source
from fusion.sources.geotiff.cells import read_cell, read_cells
from fusion.sources.geotiff.inspection import SUFFIXES, inspect
from fusion.sources.geotiff.reading import read_tags, read_window
from fusion.sources.geotiff.stack import Stack, block_cache, describe_layouts, find_method, open_stack
from fusion.sources.geotiff.streaming import write_cog_in_parts
from fusion.sources.geotiff.web import read_for_web
from fusion.sources.geotiff.windows import open_windows
from fusion.sources.geotiff.writing import write_cog

__all__ = [
    "SOURCE",
    "Stack",
    "block_cache",
    "describe_layouts",
    "find_method",
    "hash_file",
    "inspect",
    "open_stack",
    "open_windows",
    "read_cell",
    "read_cells",
    "read_for_web",
    "read_tags",
    "read_window",
    "write_cog",
    "write_cog_in_parts",
]

SOURCE = Source(name="geotiff", title="GeoTIFF, COG or JPEG 2000 on a local disk", suffixes=SUFFIXES, inspect=inspect)
