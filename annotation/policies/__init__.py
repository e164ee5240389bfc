"""Ways to ask for votes, one per file; each declares POLICY."""
