"""Point clouds (LAS, LAZ, COPC): headers checked against the file first; `surfaces` makes heights on a grid of them."""

from fusion.source import Source
from fusion.sources.point_cloud.reading import SUFFIXES, inspect_points, read_points

# `surfaces` is not named here: child processes load this file, and would load what writes rasters with it
__all__ = ["SOURCE", "inspect_points", "read_points"]

SOURCE = Source(name="point_cloud", title="Point clouds (LAS, LAZ, COPC)", suffixes=SUFFIXES, look=inspect_points)
