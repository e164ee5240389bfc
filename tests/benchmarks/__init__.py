"""Figures, measured: each file is run as `python -m tests.benchmarks.NAME` and prints one JSON line last."""
