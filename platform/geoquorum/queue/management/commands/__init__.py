"""up, reap, ping, jobs."""
