"""What every room may use: errors, point preparation, seeds, hashing, provenance, progress."""
