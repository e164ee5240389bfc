"""Ways from votes to labels, one per file; each declares METHOD."""
