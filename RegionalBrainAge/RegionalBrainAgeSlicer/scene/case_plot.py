"""The dumbbell plot of a case: both sides of every network, beside what healthy people show."""

from __future__ import annotations

import math

import vtk
from RegionalBrainAgeLib.case.report import reading
from RegionalBrainAgeLib.figures import palette
from slicer.i18n import tr as _

from . import case_nodes
from .case_folder import CaseFolder

_NAMES_IN_A_LINE = 5
_GAP = math.nan


def show_plot(case: CaseFolder):
    """Two dots per network joined by a line, over the band where the first lies in 90 % of healthy people.

    The band begins at the second side's dot: of the two, only their distance is judged. Returns the chart node.
    """
    first, second = (_("ipsilesional"), _("contralesional")) if case.one_sided else (_("left"), _("right"))
    values, contrasts = reading.regions(case), reading.contrasts(case)
    pairs = [(network, *(values[row.region].value_years for row in rows)) for network, *rows in case.pairs()]
    band = [
        (place, [other + contrasts[network].low_years, other + contrasts[network].high_years])
        for place, (network, _one, other) in enumerate(pairs, start=1)
        if math.isfinite(other) and contrasts[network].estimable
    ]
    both = [(place, [one, other]) for place, (_network, one, other) in enumerate(pairs, start=1)]
    chart = case_nodes.find_or_add(case.case_id, "plot", "vtkMRMLPlotChartNode", f"{case.name} sides by network")
    chart.RemoveAllPlotSeriesNodeIDs()
    for name, segments, style in (
        (_("healthy range"), band, {"colour": palette.NEUTRAL, "line": 11}),
        (_("difference"), both, {"colour": palette.MUTED, "line": 2}),
        (
            first,
            [(p, [one]) for p, (_n, one, _o) in enumerate(pairs, 1)],
            {"colour": palette.ORANGE, "marker": "Circle"},
        ),
        (
            second,
            [(p, [other]) for p, (_n, _o, other) in enumerate(pairs, 1)],
            {"colour": palette.BLUE, "marker": "Square"},
        ),
    ):
        chart.AddAndObservePlotSeriesNodeID(_series(case, name, segments, **style).GetID())
    chart.SetTitle(_("{name}: both sides").format(name=case.name))
    chart.SetXAxisTitle(_names([network for network, *_numbers in pairs]))
    chart.SetYAxisTitle(_title(case))
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(0.4, len(pairs) + 0.6)
    low, high = _ends([value for _place, values in (*band, *both) for value in values if math.isfinite(value)])
    chart.SetYAxisRangeAuto(False)
    # Room above for the legend.
    chart.SetYAxisRange(low, high + 0.45 * (high - low))
    chart.SetLegendVisibility(True)
    chart.SetLegendFontSize(11)
    chart.SetTitleFontSize(13)
    chart.SetAxisTitleFontSize(11)
    chart.SetAxisLabelFontSize(11)
    return chart


def _title(case: CaseFolder) -> str:
    return _("PAD (years)") if reading.calibrated(case) else _("deviation (years)")


def _names(networks: list[str]) -> str:
    """Networks by number, as 1 SMN, 2 FPN: the chart can write numbers at its axis, and no names."""
    words = [f"{place} {network}" for place, network in enumerate(networks, start=1)]
    lines = [words[at : at + _NAMES_IN_A_LINE] for at in range(0, len(words), _NAMES_IN_A_LINE)]
    return "\n".join("   ".join(line) for line in lines)


def _ends(values: list[float]) -> tuple[float, float]:
    low, high = min([*values, -5.0]), max([*values, 5.0])
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


def _series(case: CaseFolder, name: str, segments, colour: str, line: int = 0, marker: str = "None"):
    """One series of separate vertical segments; a gap is a row without a number."""
    table = case_nodes.find_or_add(case.case_id, f"plot {name} table", "vtkMRMLTableNode", f"{case.name} {name}")
    table.RemoveAllColumns()
    points = [point for place, values in segments for point in (*((place, v) for v in values), (place, _GAP))]
    for title, numbers in (("network", [p for p, _v in points]), ("years", [v for _p, v in points])):
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        for number in numbers:
            column.InsertNextValue(number)
        table.AddColumn(column)
    series = case_nodes.find_or_add(case.case_id, f"plot {name}", "vtkMRMLPlotSeriesNode", name)
    series.SetName(name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("network")
    series.SetYColumnName("years")
    series.SetPlotType(series.PlotTypeScatter)
    series.SetLineStyle(series.LineStyleSolid if line else series.LineStyleNone)
    series.SetLineWidth(max(line, 1))
    series.SetMarkerStyle(getattr(series, f"MarkerStyle{marker}"))
    series.SetMarkerSize(10)
    series.SetColor(*palette.rgb(colour))
    return series
