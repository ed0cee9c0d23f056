"""All state of the panel, kept in one node of the scene."""

from __future__ import annotations

import pathlib
from typing import Annotated

import slicer
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from .work.command_line import NOT_GIVEN

# Whose the facts in the patient's fields are: nobody's yet, those of `factsHead`, or of a case without a head.
NOBODY, HEAD, WITHOUT_HEAD = "nobody", "head", "without head"
# The fields that belong to one patient, as they are where nothing is known. Reviewer and folders are the user's.
NO_PATIENT = {
    "caseId": "", "ageYears": 0.0, "sex": NOT_GIVEN, "site": "", "daysPostStroke": -1.0, "motor": -0.01,
    "freesurferFolder": pathlib.Path(), "calibrationFile": pathlib.Path(), "noLesion": False, "maskSource": "",
    "approvedBy": "", "approvedAt": "", "approvedMaskSha256": "", "caseShown": "",
}  # fmt: skip


@parameterNodeWrapper
class RegionalBrainAgeParameterNode:
    """Everything the panel remembers, saved with the scene.

    t1Volume, freesurferFolder, caseId, ageYears (0: not given), sex ("F", "M" or "not given"), site,
    daysPostStroke (-1: not known), motor (0..1; below 0: not known), calibrationFile - the patient.
    factsHead, factsOf - whose these facts are; see scene.patient_facts.
    lesionSegmentation, noLesion, maskSource, reviewer, approvedBy, approvedAt, approvedMaskSha256 (of the file that was
    written then) - the review.
    modelFolder, wheelsFolder, workingFolder, estimateRunning (name of a case whose result is not yet shown) - the
    estimate.
    caseShown, overlay, overlayOpacityPercent - the results. outputFolder - where cases are saved.

    Slicer sets the ends of a bound spin box or slider from WithinRange, whatever the .ui file says: without it a spin
    box has no ends (and never shows its "not given"), and a slider or a combo box without Choice refuses to be bound.
    """

    t1Volume: slicer.vtkMRMLScalarVolumeNode
    freesurferFolder: pathlib.Path
    caseId: str
    ageYears: Annotated[float, WithinRange(0.0, 120.0)] = 0.0
    sex: Annotated[str, Choice([NOT_GIVEN, "F", "M"])] = NOT_GIVEN
    site: str
    daysPostStroke: Annotated[float, WithinRange(-1.0, 100000.0)] = -1.0
    motor: Annotated[float, WithinRange(-0.01, 1.0)] = -0.01
    calibrationFile: pathlib.Path
    factsHead: slicer.vtkMRMLScalarVolumeNode
    factsOf: Annotated[str, Choice([NOBODY, HEAD, WITHOUT_HEAD])] = NOBODY
    lesionSegmentation: slicer.vtkMRMLSegmentationNode
    noLesion: bool = False
    maskSource: str
    reviewer: str
    approvedBy: str
    approvedAt: str
    approvedMaskSha256: str
    modelFolder: pathlib.Path
    wheelsFolder: pathlib.Path
    workingFolder: pathlib.Path
    estimateRunning: str
    caseShown: str
    overlay: str = "reading"
    overlayOpacityPercent: Annotated[int, WithinRange(0, 100)] = 80
    outputFolder: pathlib.Path
