"""Measures a model: metrics, baselines, perturbations, card."""
