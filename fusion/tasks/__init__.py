"""Learning tasks, one per file; each declares TASK."""
