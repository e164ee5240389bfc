"""One architecture per file; each declares NETWORK."""
