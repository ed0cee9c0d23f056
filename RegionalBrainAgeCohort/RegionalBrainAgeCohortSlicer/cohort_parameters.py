"""All state of the cohort panel, kept in one node of the scene."""

from __future__ import annotations

import pathlib
from typing import Annotated

from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

# Entries of the panel, with the library's names.
MOTOR_SCALES = {
    "0 to 1, or the maximum below": "",
    "Fugl-Meyer, 0 to 66": "fm",
    "ARAT, 0 to 57": "arat",
    "NIHSS, 0 to 42": "nihss",
    "mRS, 0 to 6": "mrs",
}
PATH_MODELS = {"With age, sex and the direct path": "", "Published chain": "published"}


@parameterNodeWrapper
class RegionalBrainAgeCohortParameterNode:
    """Everything the panel remembers, saved with the scene.

    tableFile - processed_cases.csv. mixed, loads, groups, classifiers, sem - which analyses to run. outputFolder -
    where results go. resultFolder - the results that are shown. motorName, pathModel - entries of MOTOR_SCALES and
    PATH_MODELS; a motorScale counts only for a scale without a name, and a modelText replaces the path model. The
    others are choices, as the settings of the library name them.
    """

    tableFile: pathlib.Path
    mixed: bool = True
    loads: bool = True
    groups: bool = True
    classifiers: bool = True
    sem: bool = True
    covariates: str = "age,sex"
    motorName: Annotated[str, Choice(list(MOTOR_SCALES))] = next(iter(MOTOR_SCALES))
    motorScale: Annotated[float, WithinRange(0.01, 1000.0)] = 1.0
    motorCut: Annotated[float, WithinRange(0.001, 0.999)] = 0.379
    minDamaged: Annotated[int, WithinRange(0, 100000)] = 10
    formula: str
    randomEffects: str
    pathModel: Annotated[str, Choice(list(PATH_MODELS))] = next(iter(PATH_MODELS))
    network: str = "fpn"
    modelText: str
    semGroups: str
    bootstrapDraws: Annotated[int, WithinRange(0, 100000)] = 5000
    threads: Annotated[int, WithinRange(1, 1024)] = 1
    includeUncalibrated: bool = False
    includeQcFailed: bool = False
    outputFolder: pathlib.Path
    resultFolder: str


def settings_of(parameters) -> dict:
    """The library's settings, by its own names; see RegionalBrainAgeCohortLib.data.settings."""
    families = [name for name in ("mixed", "loads", "groups", "classifiers", "sem") if getattr(parameters, name)]
    covariates = [name.strip() for name in parameters.covariates.split(",") if name.strip()]
    motor = MOTOR_SCALES[parameters.motorName]
    # The panel shows three digits; its default means that of the scale, 25/66 where it has no name.
    default_cut = abs(parameters.motorCut - 0.379) < 5e-4
    return {
        "families": families,
        "covariates": covariates,
        "group_covariates": covariates,
        "motor": motor,
        "motor_scale": 1.0 if motor else parameters.motorScale,
        "severe_cut": None if default_cut else parameters.motorCut,
        "min_damaged": parameters.minDamaged,
        "formula": parameters.formula.strip(),
        "random": parameters.randomEffects.strip(),
        "sem_network": parameters.network.strip().lower(),
        "sem_model": parameters.modelText.strip() or PATH_MODELS[parameters.pathModel],
        "sem_groups": parameters.semGroups.strip(),
        "sem_draws": parameters.bootstrapDraws,
        "threads": parameters.threads,
        "include_uncalibrated": parameters.includeUncalibrated,
        "include_qc_failed": parameters.includeQcFailed,
    }
