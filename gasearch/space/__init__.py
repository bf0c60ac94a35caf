"""The space of what may be proposed: decisions, genomes, and the networks that they mean. Arithmetic only, no torch."""
