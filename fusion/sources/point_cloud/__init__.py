"""Point clouds (LAS, LAZ, COPC): headers checked against the file first, heights on a grid made of the points."""

from fusion.source import Source
from fusion.sources.point_cloud.reading import SUFFIXES, inspect_points, read_points
from fusion.sources.point_cloud.surfaces import Surfaces, make_surfaces, write_surfaces

__all__ = ["SOURCE", "Surfaces", "inspect_points", "make_surfaces", "read_points", "write_surfaces"]

SOURCE = Source(name="point_cloud", title="Point clouds (LAS, LAZ, COPC)", suffixes=SUFFIXES, look=inspect_points)
