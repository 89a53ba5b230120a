"""Models of transformers: load, hidden states, logits, steering hooks, low-rank adapters."""
