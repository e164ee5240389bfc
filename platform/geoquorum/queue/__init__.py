"""One pattern for all background work."""
