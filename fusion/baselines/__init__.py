"""What every network is measured against."""
