"""The cohort panel between 3D Slicer and RegionalBrainAgeCohortLib; uses RegionalBrainAgeSlicer."""
