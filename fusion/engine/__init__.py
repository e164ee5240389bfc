"""Training, evaluation and prediction: the only place that imports torch."""
