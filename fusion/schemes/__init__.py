"""Alphabets of labels, one per file; each declares SCHEME."""
