"""The spec that was asked for, as validated values, and its reading from a file."""
