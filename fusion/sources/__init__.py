"""Readers of what lies on disk, one per file; each declares SOURCE. The only place that knows raster libraries."""
