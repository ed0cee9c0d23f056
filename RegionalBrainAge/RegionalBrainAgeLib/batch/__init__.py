"""Many patients: from a list of cases to one table, on one machine or on a cluster."""
