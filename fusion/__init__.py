"""Samples, modalities, packs, tasks and learning: what a machine with a GPU needs, and nothing of the web."""
