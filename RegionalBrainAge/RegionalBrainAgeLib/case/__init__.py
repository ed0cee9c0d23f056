"""One patient, start to finish: pipeline, result, report."""
