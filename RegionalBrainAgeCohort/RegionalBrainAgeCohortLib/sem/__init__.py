"""Structural equation models: language, engine, fit measures."""
