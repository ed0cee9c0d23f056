"""Training of the structure network on heads with label maps."""
