"""The regions table as a table node: what the scene keeps of a case's numbers, and the paired plot."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import vtk
from slicer.i18n import tr as _

from . import case_nodes
from .case_folder import CaseFolder, RegionRow
from .case_rows import COLUMNS, cells_of

_FACTS_ATTRIBUTE = "RegionalBrainAge.Facts"
_FOLDER_ATTRIBUTE = "RegionalBrainAge.Folder"
_KEPT_FACTS = ("lesion", "warnings", "calibration", "qc", "model", "case")
_COLUMN_CLASSES = {int: vtk.vtkIntArray, float: vtk.vtkDoubleArray, str: vtk.vtkStringArray, bool: vtk.vtkIntArray}
# One colour per network in the plot, told apart by people with colour-blindness too (Wong 2011) and repeated if needed.
_LINE_RGB = (
    (0.00, 0.45, 0.70), (0.90, 0.62, 0.00), (0.00, 0.62, 0.45), (0.80, 0.47, 0.65), (0.34, 0.71, 0.91),
    (0.84, 0.37, 0.00), (0.00, 0.00, 0.00), (0.60, 0.60, 0.20), (0.50, 0.50, 0.50),
)  # fmt: skip


def show_table(case: CaseFolder):
    """Write the case's rows into its table node. Returns the node."""
    node = case_nodes.find_or_add(case.case_id, "table", "vtkMRMLTableNode", f"{case.name} regions")
    node.SetAttribute(_FACTS_ATTRIBUTE, json.dumps({key: case.facts.get(key) for key in _KEPT_FACTS}))
    node.SetAttribute(_FOLDER_ATTRIBUTE, str(case.path))
    node.RemoveAllColumns()
    node.SetUseColumnTitleAsColumnHeader(True)
    types = _field_types()
    for name, kind in types.items():
        column = _COLUMN_CLASSES[kind]()
        column.SetName(name)
        for row in case.rows:
            value = getattr(row, name)
            column.InsertNextValue(int(value) if kind is bool else value)
        node.AddColumn(column)
    node.SetLocked(True)
    _show_words(case)
    return node


def _show_words(case: CaseFolder) -> None:
    """The table that the table view shows: the panel's columns, in words and rounded numbers."""
    node = case_nodes.find_or_add(case.case_id, "table shown", "vtkMRMLTableNode", f"{case.name} results")
    node.RemoveAllColumns()
    columns = [vtk.vtkStringArray() for _title in COLUMNS]
    for title, column in zip(COLUMNS, columns, strict=True):
        column.SetName(_(title))
    for row in case.rows:
        for column, value in zip(columns, cells_of(case, row), strict=True):
            column.InsertNextValue(str(value))
    for column in columns:
        node.AddColumn(column)
    node.SetLocked(True)


def case_in_scene(case_id: str) -> CaseFolder | None:
    """The case as the scene keeps it (its folder may have moved), or None."""
    node = case_nodes.find(case_id, "table")
    if node is None or node.GetNumberOfRows() == 0:
        return None
    types = _field_types()
    columns = {name: node.GetTable().GetColumnByName(name) for name in types}
    if any(column is None for column in columns.values()):
        return None
    rows = tuple(
        RegionRow(**{name: kind(_cell(columns[name], i, kind)) for name, kind in types.items()})
        for i in range(node.GetNumberOfRows())
    )
    facts = json.loads(node.GetAttribute(_FACTS_ATTRIBUTE) or "{}")
    return CaseFolder(Path(node.GetAttribute(_FOLDER_ATTRIBUTE) or ""), f"sub-{case_id}", rows, facts)


def show_plot(case: CaseFolder):
    """Paired plot: one line per network from the ipsi- to the contralesional PAD. Returns the chart node."""
    first, second = (_("ipsilesional"), _("contralesional")) if case.one_sided else (_("left"), _("right"))
    pairs = case.pairs()
    table = case_nodes.find_or_add(case.case_id, "plot table", "vtkMRMLTableNode", f"{case.name} paired PAD")
    table.RemoveAllColumns()
    _add_numbers(table, "side", [0.0, 1.0])
    chart = case_nodes.find_or_add(case.case_id, "plot", "vtkMRMLPlotChartNode", f"{case.name} paired plot")
    chart.RemoveAllPlotSeriesNodeIDs()
    values = []
    for index, (network, *rows) in enumerate(pairs):
        numbers = [row.pad_corrected_years if row.estimable else math.nan for row in rows]
        values += [v for v in numbers if math.isfinite(v)]
        _add_numbers(table, network, numbers)
        series = case_nodes.find_or_add(case.case_id, f"plot {network}", "vtkMRMLPlotSeriesNode", network)
        series.SetName(
            network
            if all(map(math.isfinite, numbers))
            else _("{network} (one side not estimable)").format(network=network)
        )
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("side")
        series.SetYColumnName(network)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetLineStyle(series.LineStyleSolid)
        series.SetLineWidth(2)
        series.SetMarkerStyle(series.MarkerStyleCircle)
        series.SetMarkerSize(9)
        series.SetColor(*_LINE_RGB[index % len(_LINE_RGB)])
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(_("{name}: PAD by network").format(name=case.name))
    chart.SetXAxisTitle(_("0 = {first}, 1 = {second}").format(first=first, second=second))
    chart.SetYAxisTitle(_("PAD, corrected (years)"))
    chart.SetXAxisRangeAuto(False)
    # Room for the legend beside the lines.
    chart.SetXAxisRange(-0.1, 1.9)
    limit = max([abs(v) for v in values], default=5.0) * 1.15
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(-limit, limit)
    chart.SetLegendVisibility(True)
    return chart


def _field_types() -> dict[str, type]:
    named = {"int": int, "float": float, "str": str, "bool": bool}
    return {field.name: named[field.type] for field in fields(RegionRow)}


def _cell(column, index: int, kind: type):
    value = column.GetValue(index)
    if kind is str:
        return value
    # A column that came back from a file may be text.
    return float(value) if value not in ("", None) else math.nan


def _add_numbers(table, name: str, numbers: list[float]) -> None:
    column = vtk.vtkDoubleArray()
    column.SetName(name)
    for number in numbers:
        column.InsertNextValue(number)
    table.AddColumn(column)
