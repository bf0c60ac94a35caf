"""Questions that anyone may ask of a stored search, and their answers."""
