"""Texts and their token ids: selection, truncation, shuffles and other controls."""
