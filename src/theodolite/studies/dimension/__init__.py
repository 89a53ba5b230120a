"""The study of tables: dimension, with its nulls and what a few rows do to it."""
