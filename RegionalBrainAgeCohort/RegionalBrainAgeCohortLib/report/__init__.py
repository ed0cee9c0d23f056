"""Figures, methods text, result tables and the page of a cohort analysis."""
