"""A region's row as a user reads it: the same words and rounded numbers in the panel and in the table view."""

from __future__ import annotations

import math

from RegionalBrainAgeLib.case.report import reading
from RegionalBrainAgeLib.files.wording import ABSENT, signed
from slicer.i18n import tr as _

from .case_folder import CaseFolder, RegionRow

_SHORT_SIDE = {"ipsilesional": "ipsi", "contralesional": "contra"}


def columns_of(case: CaseFolder) -> list[tuple[str, str]]:
    """Title and meaning of every column."""
    if reading.calibrated(case):
        value = ("PAD", _("Predicted age difference of the region, corrected (years)"))
    else:
        value = (
            _("Dev."),
            _("Deviation of the region from {whole}, corrected (years)").format(whole=reading.whole_name(case)),
        )
    sides = _("ipsilesional minus contralesional") if case.one_sided else _("left minus right")
    return [
        (_("Region"), _("Network and hemisphere")),
        value,
        (_("healthy"), _("90 % of healthy people of that age lie between these")),
        (_("Sides"), _("Difference between the sides of the network, {sides} (years)").format(sides=sides)),
        (_("healthy"), _("90 % of healthy people of that age have a difference between these")),
        (_("Side"), _("Side of the lesion (ipsi) or the other side (contra)")),
        (_("Load %"), _("Share of the region that is lesioned (%)")),
        ("mm", _("Cortical thickness (mm)")),
        (_("Pct."), _("Percentile among healthy people")),
        (_("Note"), ""),
    ]


def rows_of(case: CaseFolder) -> list[list]:
    """Text or rounded numbers in the order of `columns_of`, a list per region; what is not known is a dash."""
    values, contrasts = reading.regions(case), reading.contrasts(case)
    first = case.lesion_side if case.one_sided else "L"
    rows = []
    for row in case.rows:
        value = values[row.region]
        contrast = contrasts[row.network] if row.hemisphere == first else reading.NOTHING
        percentile = row.pad_percentile if reading.calibrated(case) else row.deviation_percentile
        rows.append(
            [
                row.region,
                *_with_range(value),
                *_with_range(contrast),
                _(_SHORT_SIDE[row.side]) if row.side in _SHORT_SIDE else row.hemisphere,
                0.0 if math.isnan(row.load_fraction) else round(100.0 * row.load_fraction, 1),
                _rounded(row.thickness_mm, 2),
                _rounded(percentile, 0) if value.estimable else ABSENT,
                row.reason,
            ]
        )
    return rows


def reasons_of(case: CaseFolder) -> str:
    """Regions that cannot be estimated, with the reason; empty if all can."""
    by_reason: dict[str, list[str]] = {}
    for row in case.rows:
        if not row.estimable:
            by_reason.setdefault(row.reason, []).append(row.region)
    every = len(case.rows)
    parts = [
        f"{_('all regions') if len(regions) == every else ', '.join(regions)}: {reason}"
        for reason, regions in by_reason.items()
    ]
    return _("Not estimable: {reasons}").format(reasons=" ".join(parts)) if parts else ""


def describe(case: CaseFolder, row: RegionRow) -> str:
    """A region in words."""
    where = f"{row.region} ({row.side or row.hemisphere})"
    if not row.estimable:
        return _("{where}: not estimable. {reason}").format(where=where, reason=row.reason)
    value, contrast = reading.regions(case)[row.region], reading.contrasts(case)[row.network]
    parts = []
    if value.estimable and reading.calibrated(case):
        parts.append(
            _("brain age {age:.1f} years, PAD {pad} (healthy {low} to {high})").format(
                age=row.brain_age_years, pad=signed(value.value_years), **_ends(value)
            )
        )
    elif value.estimable:
        parts.append(
            _("{years} years from {whole} (healthy {low} to {high})").format(
                years=signed(value.value_years), whole=reading.whole_name(case), **_ends(value)
            )
        )
    if contrast.estimable:
        parts.append(
            _("the sides of {network} differ by {years} (healthy {low} to {high})").format(
                network=row.network, years=signed(contrast.value_years), **_ends(contrast)
            )
        )
    parts.append(_("lesion load {load:.1f} %").format(load=100.0 * row.load_fraction))
    return f"{where}: {'; '.join(parts)}."


def _ends(found: reading.Reading) -> dict[str, str]:
    return {"low": signed(found.low_years, 0), "high": signed(found.high_years, 0)}


def _with_range(found: reading.Reading) -> tuple[float | str, str]:
    if not found.estimable:
        return ABSENT, ""
    return round(found.value_years, 1), f"{signed(found.low_years, 0)}…{signed(found.high_years, 0)}"


def _rounded(number: float, digits: int) -> float | str:
    return ABSENT if math.isnan(number) else (round(number, digits) if digits else round(number))
