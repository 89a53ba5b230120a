"""What lies in a run folder, and where that is."""
