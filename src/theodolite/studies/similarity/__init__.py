"""The study of geometry that models share."""
