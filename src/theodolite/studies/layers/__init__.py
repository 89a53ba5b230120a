"""The study of prompts: the cloud of tokens, layer by layer."""
