"""The cohort's table, its checks and the settings of the analysis."""
