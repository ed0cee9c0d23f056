"""All state of the panel, kept in one node of the scene."""

from __future__ import annotations

import pathlib

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class RegionalBrainAgeParameterNode:
    """
    t1Volume, freesurferFolder, caseId, ageYears (0: not given), sex ("F", "M" or "not given"), site,
    daysPostStroke (-1: not known), motor (0..1; below 0: not known), calibrationFile - the patient.
    lesionSegmentation, noLesion, maskSource, reviewer, approvedBy, approvedAt - the review.
    modelFolder, wheelsFolder, workingFolder, estimatePending (a run was begun and its result not yet shown) - the
    estimate.
    caseShown, overlay, overlayOpacityPercent - the results. outputFolder - where cases are saved.
    """

    t1Volume: slicer.vtkMRMLScalarVolumeNode
    freesurferFolder: pathlib.Path
    caseId: str
    ageYears: float = 0.0
    sex: str = "not given"
    site: str
    daysPostStroke: float = -1.0
    motor: float = -0.01
    calibrationFile: pathlib.Path
    lesionSegmentation: slicer.vtkMRMLSegmentationNode
    noLesion: bool = False
    maskSource: str
    reviewer: str
    approvedBy: str
    approvedAt: str
    modelFolder: pathlib.Path
    wheelsFolder: pathlib.Path
    workingFolder: pathlib.Path
    estimatePending: bool = False
    caseShown: str
    overlay: str = "pad"
    overlayOpacityPercent: int = 80
    outputFolder: pathlib.Path
