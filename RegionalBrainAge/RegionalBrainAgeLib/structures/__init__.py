"""Volumes of ventricles, deep grey matter, cerebellum, brain stem and the intracranial space from a T1."""
