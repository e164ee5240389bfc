"""A made-up world with known truth, from which every modality is rendered."""
