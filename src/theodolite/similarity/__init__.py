"""Geometry that two clouds or tables share: cosines, overlap, angles, representational similarity, LLE weights."""
