"""What was frozen: dataset versions and their exports."""
