"""What is better: metrics, limits, fitness, and the Pareto front of a set of points."""
