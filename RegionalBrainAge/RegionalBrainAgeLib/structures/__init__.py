"""Volumes of ventricles, deep grey matter, cerebellum, brain stem, all grey matter and the intracranial space."""
