"""What was learned: runs, checkpoints, benchmarks and maps."""
