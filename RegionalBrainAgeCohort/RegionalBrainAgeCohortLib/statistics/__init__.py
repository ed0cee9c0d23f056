"""Mixed models, classifiers and their measures."""
