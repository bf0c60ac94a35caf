"""What may be proposed: decisions, genomes, and what a genome means. Arithmetic only, no torch."""
