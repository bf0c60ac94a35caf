"""What was asked for: the spec as validated values, and how it is read from a file."""
