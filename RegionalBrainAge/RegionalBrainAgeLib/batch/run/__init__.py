"""Runs the cases of a batch and records what became of each."""
