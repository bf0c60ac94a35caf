"""From a point of the front to files."""
