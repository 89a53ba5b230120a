"""The study that tells kinds of prompts apart by their geometry."""
