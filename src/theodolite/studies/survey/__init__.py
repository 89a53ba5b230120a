"""All of a model: tables, layers, shared geometry."""
