"""Evaluations in a process of their own: the host keeps it to its limits, ends it, and starts another one."""
