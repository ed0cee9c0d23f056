"""What is known of a head's patient, kept with the head: another head is another patient."""

from __future__ import annotations

import json
from pathlib import Path

import slicer

from ..parameters import HEAD, NO_PATIENT, NOBODY, WITHOUT_HEAD
from . import case_nodes

_FACTS_ATTRIBUTE = "RegionalBrainAge.Patient"
_LESION_REFERENCE = "RegionalBrainAge.lesion"


def follow_head(parameters) -> bool:
    """Bring the fields of the parameter node up to the head that is chosen. Returns whether the patient changed.

    Facts typed before a head was chosen become that head's. The facts of the head chosen before are kept with it.
    """
    head, owner, whose = parameters.t1Volume, parameters.factsHead, parameters.factsOf
    if (head is None and whose != HEAD) or (whose == HEAD and head is not None and _same(head, owner)):
        return False
    if whose == NOBODY and head.GetAttribute(_FACTS_ATTRIBUTE) is None:
        with slicer.util.NodeModify(parameters):
            parameters.factsOf, parameters.factsHead = HEAD, head
        return False
    if whose == HEAD and owner is not None:
        keep_facts(parameters, owner)
    _load(parameters, head)
    return True


def keep_facts(parameters, head) -> None:
    """Write the fields of the parameter node into the head's node."""
    facts = {name: _plain(getattr(parameters, name)) for name in NO_PATIENT}
    head.SetAttribute(_FACTS_ATTRIBUTE, json.dumps(facts))
    lesion = parameters.lesionSegmentation
    head.SetNodeReferenceID(_LESION_REFERENCE, lesion.GetID() if lesion is not None else None)


def set_case_facts(parameters, case, head) -> None:
    """Make a finished case's head and facts those of the panel, unless its head brings facts of that case itself."""
    given = case.facts.get("case") or {}
    with slicer.util.NodeModify(parameters):
        if not _same(parameters.t1Volume, head) or parameters.caseId.removeprefix("sub-") != case.case_id:
            if parameters.factsOf == HEAD and parameters.factsHead is not None:
                keep_facts(parameters, parameters.factsHead)
            _load(parameters, head)
        if parameters.caseId.removeprefix("sub-") != case.case_id:
            _load(parameters, head, fresh=True)
            parameters.caseId = case.case_id
            parameters.ageYears = float(given.get("age_years") or 0.0)
            if given.get("sex") in ("F", "M"):
                parameters.sex = given["sex"]
            parameters.site = given.get("site") or ""
            for name, key in (("daysPostStroke", "days_post_stroke"), ("motor", "motor")):
                if given.get(key) is not None:
                    setattr(parameters, name, float(given[key]))
            for name, key in (("freesurferFolder", "freesurfer"), ("calibrationFile", "calibration")):
                setattr(parameters, name, Path(given.get(key) or ""))
            parameters.noLesion = case.lesion_side == "none"
            parameters.factsOf = HEAD if head is not None else WITHOUT_HEAD
        parameters.t1Volume = head
        parameters.caseShown = case.case_id


def set_case_shown(head, case_id: str) -> None:
    """Keep with a head that is not chosen now that this case of it is to be shown when it is."""
    facts = json.loads(head.GetAttribute(_FACTS_ATTRIBUTE) or "{}")
    head.SetAttribute(_FACTS_ATTRIBUTE, json.dumps({**facts, "caseShown": case_id}))


def show_lesion_of(parameters) -> None:
    """Lesions of other patients leave the views."""
    for segmentation in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if case_nodes.is_lesion(segmentation) and segmentation.GetDisplayNode() is not None:
            segmentation.GetDisplayNode().SetVisibility(_same(segmentation, parameters.lesionSegmentation))


def _load(parameters, head, fresh: bool = False) -> None:
    """The facts kept with a head, or none given (always with `fresh`), into the fields."""
    text = head.GetAttribute(_FACTS_ATTRIBUTE) if head is not None and not fresh else None
    kept = json.loads(text) if text else {}
    with slicer.util.NodeModify(parameters):
        for name, absent in NO_PATIENT.items():
            setattr(parameters, name, type(absent)(kept.get(name, absent)))
        lesion = head.GetNodeReference(_LESION_REFERENCE) if head is not None and not fresh else None
        parameters.lesionSegmentation = lesion
        parameters.factsHead = head
        parameters.factsOf = HEAD if head is not None else NOBODY


def _same(one, other) -> bool:
    if one is None or other is None:
        return one is other
    return one.GetID() == other.GetID()


def _plain(value):
    return str(value) if isinstance(value, Path) else value
