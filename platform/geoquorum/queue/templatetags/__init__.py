"""Template tags of queue."""
