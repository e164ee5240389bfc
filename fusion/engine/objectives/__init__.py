"""One way of learning per file; each declares OBJECTIVE."""
