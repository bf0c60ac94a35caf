"""This process and its machine: what they may use, what they keep, how time is measured."""
