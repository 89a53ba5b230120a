"""The study of checkpoints: dimension and loss along training."""
