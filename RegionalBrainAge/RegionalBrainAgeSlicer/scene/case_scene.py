"""Shows a finished case piece by piece (`chunked_work`): volumes, overlay, regions in 3D, lesion, table and plot."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import slicer
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from ..work.chunked_work import Steps
from . import case_nodes
from .case_folder import CaseFolder
from .case_plot import show_plot
from .case_table import case_in_scene, show_table
from .label_files import Labels, box_around, label_node, read_labels
from .overlays import overlay_by_key, show_values
from .region_segments import color_segments, show_segments


def open_case(case: CaseFolder, t1_volume=None) -> Steps:
    """Bring a case folder into the scene, or bring it up to date if it is there. `t1_volume` is its head, if loaded.

    A case estimated from a FreeSurfer folder alone has no volumes: it gets its table and plot.

    Raises
    ------
    InputError : the label volume is missing.
    """
    volumes = (yield from _read_volumes(case)) if _has_volumes(case) else (None, None)
    show_table(case)
    if t1_volume is not None:
        case_nodes.adopt(t1_volume, case.case_id, "t1")
    elif case_nodes.find(case.case_id, "t1") is None:
        _load_t1(case)
    yield _("table")
    for role, content in zip(("regions", "lesion"), volumes, strict=True):
        # Made anew each time: the folder may hold another estimate than the scene.
        case_nodes.remove(case.case_id, role)
        if content is not None:
            case_nodes.adopt(label_node(content, f"{case.name} {role}"), case.case_id, role)
        yield role
    show_plot(case)
    yield _("plot")
    labels, lesion = volumes
    if labels is not None:
        yield from show_segments(case.case_id, labels, {row.label: row.region for row in case.rows}, lesion)


def _has_volumes(case: CaseFolder) -> bool:
    path = case.file("desc-regions_dseg.nii.gz")
    if path.exists():
        return True
    if (case.facts.get("case") or {}).get("t1"):
        raise InputError(_("The file {path} is missing.").format(path=path), _("Estimate the case again."))
    return False


def _read_volumes(case: CaseFolder) -> Generator[str, None, tuple[Labels, Labels | None]]:
    labels = yield from read_labels(case.file("desc-regions_dseg.nii.gz"))
    lesion_path = case.file("desc-lesion_mask.nii.gz")
    lesion = (yield from read_labels(lesion_path)) if lesion_path.exists() else None
    yield _("regions")
    if lesion is not None and lesion.array.shape != labels.array.shape:
        raise InputError(_("Regions and lesion of this case have different sizes."), _("Estimate the case again."))
    # Only the part with something in it: about a third of a head's volume, so that painting it is quick.
    box = box_around([volume.array for volume in (labels, lesion) if volume is not None])
    yield _("regions")
    labels = labels.cut(box)
    yield _("regions")
    lesion = None if lesion is None else lesion.cut(box)
    yield _("regions")
    return labels, lesion


def show_overlay(case_id: str, key: str) -> Steps:
    """Paint the case's overlay volume with a quantity and colour its 3D regions alike."""
    case = case_in_scene(case_id)
    if case is None or case_nodes.find(case_id, "regions") is None:
        raise InputError(_("The case {case} is not in this scene.").format(case=case_id), _("Open its case folder."))
    overlay = overlay_by_key(case, key)
    values, scale = overlay.values, overlay.scale
    yield from show_values(case_id, f"{case.name} {overlay.title}", values, scale)
    color_segments(case_id, {row.region: scale.rgb(values[row.label]) for row in case.rows if row.label in values})
    yield overlay.title


def _load_t1(case: CaseFolder) -> None:
    given = (case.facts.get("case") or {}).get("t1")
    if given and Path(given).exists():
        node = slicer.util.loadVolume(str(given), {"show": False, "singleFile": True, "name": f"{case.name} T1"})
        case_nodes.adopt(node, case.case_id, "t1")
