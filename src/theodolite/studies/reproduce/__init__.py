"""A paper's studies with its settings, beside what it says."""
