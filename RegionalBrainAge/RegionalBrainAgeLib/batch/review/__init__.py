"""The quality page of a batch and what a reviewer decided."""
