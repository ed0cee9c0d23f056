"""Several sessions of a person beside each other."""
