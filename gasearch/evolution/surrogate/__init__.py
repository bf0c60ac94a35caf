"""The surrogate: models of what was completed, and what a candidate would add to the front by them."""
