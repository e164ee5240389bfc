"""From scenes to aligned patches: planned from headers, read block by block, in chunks that any worker may do."""
