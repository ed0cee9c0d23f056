"""Trains a model on held-out folds of sites."""
