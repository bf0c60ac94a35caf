"""What anyone may ask of a stored search."""
