"""The regions table as a table node: what the scene keeps of a case's numbers, and what the table view shows."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import vtk

from . import case_nodes
from .case_folder import CaseFolder, RegionRow
from .case_rows import columns_of, rows_of

_FACTS_ATTRIBUTE = "RegionalBrainAge.Facts"
_FOLDER_ATTRIBUTE = "RegionalBrainAge.Folder"
_KEPT_FACTS = ("answer", "lesion", "warnings", "calibration", "qc", "model", "case", "asymmetries", "global_age")
_COLUMN_CLASSES = {int: vtk.vtkIntArray, float: vtk.vtkDoubleArray, str: vtk.vtkStringArray, bool: vtk.vtkIntArray}


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
    rows = rows_of(case)
    for index, (title, _meaning) in enumerate(columns_of(case)):
        column = vtk.vtkStringArray()
        # Two columns of one name would be one.
        column.SetName(title if node.GetColumnIndex(title) < 0 else f"{title} ")
        for row in rows:
            column.InsertNextValue(str(row[index]))
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


def _field_types() -> dict[str, type]:
    named = {"int": int, "float": float, "str": str, "bool": bool}
    return {field.name: named[field.type] for field in fields(RegionRow)}


def _cell(column, index: int, kind: type):
    value = column.GetValue(index)
    if kind is str:
        return value
    # A column that came back from a file may be text.
    return float(value) if value not in ("", None) else math.nan
