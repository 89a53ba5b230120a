"""Runs seen from outside: opened, listed, compared, watched, foreseen."""
