"""The study of steering vectors carried from model to model."""
