"""Tissue, borders, thickness, folds and parcel labels of the cortex."""
