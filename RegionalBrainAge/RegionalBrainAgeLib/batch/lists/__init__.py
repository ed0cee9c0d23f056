"""Lists of cases: CSV files, BIDS datasets, tables of measured people."""
