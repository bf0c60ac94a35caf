"""What was learned, for good: the archive and its SQL implementation."""
