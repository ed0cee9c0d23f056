"""The report of a case: figures and page."""
