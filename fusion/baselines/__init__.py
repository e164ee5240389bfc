"""What every network is measured against, one per file; each declares BASELINE."""
