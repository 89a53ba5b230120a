"""The study of one long table: its neighbor graph, in blocks of rows."""
