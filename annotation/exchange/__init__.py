"""Votes, labels and training areas in the formats of other tools: what comes in is checked, what goes out opens."""
