"""A region's row as a user reads it: the same words and rounded numbers in the panel and in the table view."""

from __future__ import annotations

import math

from slicer.i18n import tr as _

from .case_folder import CaseFolder, RegionRow

COLUMNS = ("Region", "Side", "PAD", "Interval", "Pct.", "Load %", "mm", "Note")
COLUMN_MEANINGS = (
    "",
    "Side of the lesion (ipsi) or the other side (contra)",
    "Predicted age difference, corrected (years)",
    "90 % interval of the PAD (years)",
    "Percentile of the PAD among healthy people",
    "Share of the region that is lesioned (%)",
    "Cortical thickness (mm)",
    "",
)
_SHORT_SIDE = {"ipsilesional": "ipsi", "contralesional": "contra"}


def cells_of(case: CaseFolder, row: RegionRow) -> list:
    """Text or rounded numbers in the order of `COLUMNS`; what is not known is empty."""
    side = _(_SHORT_SIDE[row.side]) if row.side in _SHORT_SIDE else row.hemisphere
    load = 0.0 if math.isnan(row.load_fraction) else round(100.0 * row.load_fraction, 1)
    thickness = "" if math.isnan(row.thickness_mm) else round(row.thickness_mm, 2)
    if not row.estimable:
        return [row.region, side, _("not estimable"), "", "", load, thickness, row.reason]
    interval = f"{row.pad_lower_years:+.0f} … {row.pad_upper_years:+.0f}"
    percentile = "" if math.isnan(row.pad_percentile) else round(row.pad_percentile)
    return [row.region, side, round(row.pad_corrected_years, 1), interval, percentile, load, thickness, row.reason]
