"""The study of adapters: loss against rank."""
