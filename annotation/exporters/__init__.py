"""Formats a release can be written in, one per file; each declares EXPORTER."""
