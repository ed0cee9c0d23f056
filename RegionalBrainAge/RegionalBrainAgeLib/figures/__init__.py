"""Colours and brain surfaces as every figure of this project draws them: case, quality page, cohort and Slicer."""
