"""Samples, modalities, dataset packs, tasks and learning: everything a machine with a GPU needs, and nothing of the web."""
