"""Group analyses of processed cases: mixed models, classifiers, structural equation models."""
