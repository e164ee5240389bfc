"""What an expert is asked, one per file; each declares QUESTION."""
