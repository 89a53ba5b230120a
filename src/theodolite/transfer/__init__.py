"""Linear maps between tables of different width (Emb2Emb), their diagnostics, and vectors carried through them."""
