"""Sensors and other sources of samples, one per file; each declares MODALITY."""
