"""What a network costs: exact arithmetic, and latency on a named device."""
