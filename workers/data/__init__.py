"""Datasets: found by name or path, checked, split, fingerprinted."""
