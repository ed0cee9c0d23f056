"""Shows a finished case: volumes, overlay, regions in 3D, lesion, table and plot."""

from __future__ import annotations

from pathlib import Path

import slicer
from RegionalBrainAgeLib.errors import InputError

from . import case_nodes
from .case_folder import CaseFolder
from .case_table import case_in_scene, show_plot, show_table
from .overlays import overlay_by_key, show_values
from .region_segments import color_segments, show_segments


def open_case(case: CaseFolder, t1_volume=None) -> None:
    """Bring a case folder into the scene, or bring it up to date if it is there. `t1_volume` is its head, if loaded.

    Raises
    ------
    InputError : the label volume is missing.
    """
    regions_path = case.file("desc-regions_dseg.nii.gz")
    if not regions_path.exists():
        raise InputError(f"The file {regions_path} is missing.", "Estimate the case again.")
    show_table(case)
    if t1_volume is not None:
        case_nodes.adopt(t1_volume, case.case_id, "t1")
    elif case_nodes.find(case.case_id, "t1") is None:
        _load_t1(case)
    labels = _load_labels(case, "regions", regions_path)
    lesion_path = case.file("desc-lesion_mask.nii.gz")
    if lesion_path.exists():
        _load_labels(case, "lesion", lesion_path)
    show_plot(case)
    names = {row.label: row.region for row in case.rows}
    show_segments(case.case_id, labels, names, case_nodes.find(case.case_id, "lesion"))


def show_overlay(case_id: str, key: str):
    """Paint the case's overlay volume with a quantity and colour its 3D regions alike. Returns the volume node."""
    case = case_in_scene(case_id)
    if case is None or case_nodes.find(case_id, "regions") is None:
        raise InputError(f"The case {case_id} is not in this scene.", "Open its case folder.")
    overlay = overlay_by_key(key)
    values, scale = overlay.values(case), overlay.color_scale(case)
    node = show_values(case_id, f"{case.name} {overlay.title}", values, scale)
    color_segments(case_id, {row.region: scale.rgb(values[row.label]) for row in case.rows if row.label in values})
    return node


def _load_t1(case: CaseFolder) -> None:
    given = (case.facts.get("case") or {}).get("t1")
    if given and Path(given).exists():
        node = slicer.util.loadVolume(str(given), {"show": False, "singleFile": True, "name": f"{case.name} T1"})
        case_nodes.adopt(node, case.case_id, "t1")


def _load_labels(case: CaseFolder, role: str, path):
    # Read anew each time: the folder may hold another estimate than the scene.
    case_nodes.remove(case.case_id, role)
    # Without "singleFile" the reader may join files of similar names into one volume.
    properties = {"show": False, "singleFile": True, "labelmap": True, "name": f"{case.name} {role}"}
    node = slicer.util.loadVolume(str(path), properties)
    case_nodes.adopt(node, case.case_id, role)
    return node
