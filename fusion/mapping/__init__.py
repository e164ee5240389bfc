"""A network over a whole region: tiles of any number, each read, predicted and kept by itself."""
