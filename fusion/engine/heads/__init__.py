"""One shape of target per file; each declares HEAD."""
