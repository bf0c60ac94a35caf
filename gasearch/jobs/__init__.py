"""A search as a long-running job: set up, started, resumed, supervised, checked."""
