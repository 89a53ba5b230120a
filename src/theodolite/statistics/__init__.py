"""Trends, knees and correlations of measured numbers, each with its uncertainty; knows nothing of geometry."""
