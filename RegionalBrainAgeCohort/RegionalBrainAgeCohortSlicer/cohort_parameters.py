"""All state of the cohort panel, kept in one node of the scene."""

from __future__ import annotations

import pathlib
from typing import Annotated

from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


@parameterNodeWrapper
class RegionalBrainAgeCohortParameterNode:
    """Everything the panel remembers, saved with the scene.

    tableFile - processed_cases.csv. mixed, loads, groups, classifiers, sem - which analyses to run. covariates,
    motorScale, motorCut, network, modelText, bootstrapDraws, includeUncalibrated, includeQcFailed - choices, as the
    settings of the library name them. outputFolder - where results go. resultFolder - the results that are shown.
    """

    tableFile: pathlib.Path
    mixed: bool = True
    loads: bool = True
    groups: bool = True
    classifiers: bool = True
    sem: bool = True
    covariates: str = "age,sex"
    motorScale: Annotated[float, WithinRange(0.01, 1000.0)] = 1.0
    motorCut: Annotated[float, WithinRange(0.001, 0.999)] = 0.379
    network: str = "fpn"
    modelText: str
    bootstrapDraws: Annotated[int, WithinRange(0, 100000)] = 5000
    includeUncalibrated: bool = False
    includeQcFailed: bool = False
    outputFolder: pathlib.Path
    resultFolder: str


def settings_of(parameters) -> dict:
    """The library's settings, by its own names; see RegionalBrainAgeCohortLib.data.settings."""
    families = [name for name in ("mixed", "loads", "groups", "classifiers", "sem") if getattr(parameters, name)]
    covariates = [name.strip() for name in parameters.covariates.split(",") if name.strip()]
    return {
        "families": families,
        "covariates": covariates,
        "group_covariates": covariates,
        "motor_scale": parameters.motorScale,
        # The panel shows three digits; its default means the library's own, 25/66.
        "severe_cut": 25 / 66 if abs(parameters.motorCut - 0.379) < 5e-4 else parameters.motorCut,
        "sem_network": parameters.network.strip().lower(),
        "sem_model": parameters.modelText.strip(),
        "sem_draws": parameters.bootstrapDraws,
        "include_uncalibrated": parameters.includeUncalibrated,
        "include_qc_failed": parameters.includeQcFailed,
    }
