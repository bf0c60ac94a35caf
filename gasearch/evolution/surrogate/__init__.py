"""The surrogate: models of what was told, and what a draft would add to the front by them."""
