"""A search as a document: what was asked, what came of it, and where it comes from."""
