"""Drivers that share one run."""
