"""Voxels and geometry: reading, brain mask, bias field, registration, tissue, cortical thickness."""
