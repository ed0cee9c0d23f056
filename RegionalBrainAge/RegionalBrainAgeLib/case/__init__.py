"""One patient, start to finish: pipeline, tables, figures, report."""
