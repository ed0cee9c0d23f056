"""A small made-up head with a known left and right, for tests of pictures, report and pipeline."""

from __future__ import annotations

import numpy as np
from RegionalBrainAgeLib.age.model.asymmetry import Asymmetry
from RegionalBrainAgeLib.case.case import Case
from RegionalBrainAgeLib.case.result.result import CaseResult, GlobalAgeResult, LesionResult, RegionResult
from RegionalBrainAgeLib.case.result.volumes import CaseVolumes, RegionVolume
from RegionalBrainAgeLib.geometry.image import Image

NAN = float("nan")
NETWORKS = ("FPN", "VIS")


def made_up_volumes(flip: tuple[int, ...] = (), angle_degrees: float = 0.0) -> CaseVolumes:
    """An ellipsoid brain, 2 mm: frontal and occipital regions on each side and a lesion in the left front."""
    ras_from_ijk = np.diag([2.0, 2.0, 2.0, 1.0])
    ras_from_ijk[:3, 3] = -40.0
    i, j, k = np.meshgrid(*[np.arange(-40, 41, 2.0)] * 3, indexing="ij")
    brain = (i / 26) ** 2 + (j / 34) ** 2 + (k / 24) ** 2 < 1
    lesion = (i + 18) ** 2 + (j - 14) ** 2 + (k - 6) ** 2 < 64
    t1 = np.where(brain, 100.0, 10.0).astype(np.float32)
    t1[brain & (abs(i) < 2)] = 30
    masks = [
        brain & (i < 0) & (j > 4),
        brain & (i > 0) & (j > 4),
        brain & (i < 0) & (j < -4),
        brain & (i > 0) & (j < -4),
    ]
    shell = brain & ((i / 22) ** 2 + (j / 30) ** 2 + (k / 20) ** 2 > 1)
    thickness = np.where(shell, 2.5, np.nan).astype(np.float32)

    def image(array):
        affine = ras_from_ijk.copy()
        for axis in flip:
            array = np.flip(array, axis)
            affine = affine @ _flipped(axis, array.shape[axis])
        turn = np.eye(4)
        c, s = np.cos(np.radians(angle_degrees)), np.sin(np.radians(angle_degrees))
        turn[:2, :2] = [[c, -s], [s, c]]
        return Image(np.ascontiguousarray(array), turn @ affine)

    return CaseVolumes(
        t1=image(t1),
        brain=image(brain),
        lesion=image(lesion),
        regions=RegionVolume.combine([image(mask) for mask in masks]),
        parcels=image(np.where(shell & (i < 0), 5, 0).astype(np.int16)),
        thickness=image(thickness),
        template_on_t1=image(t1),
    )


def _flipped(axis: int, size: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[axis, axis] = -1
    matrix[axis, 3] = size - 1
    return matrix


def made_up_result(side: str = "L", estimable: bool = False, **case_fields) -> CaseResult:
    rows = []
    for network in NETWORKS:
        for hemisphere in "LR":
            lost = network == "FPN" and hemisphere == "L" and not estimable
            pad = NAN if lost else {"FPN_L": 4.0, "FPN_R": 7.5, "VIS_L": -3.0, "VIS_R": -1.0}[f"{network}_{hemisphere}"]
            word = {"L": "ipsilesional", "R": "contralesional"}[hemisphere] if side == "L" else "left"
            reason = "62 % of the region's cortex could not be measured" if lost else ""
            ages = (60 + pad, pad, pad, pad - 9, pad + 9, 50.0, not lost, reason)
            deviation = NAN if lost else pad - 2.0
            row = (f"{network}_{hemisphere}", network, hemisphere, word, *ages, 0.6 * lost, 3.0, 5.0, 2.5, 8, 0.6)
            row += (deviation, deviation, deviation - 5, deviation + 5, 50.0)
            rows.append(RegionResult(*row))
    provenance = {
        "inputs": {"t1": {"path": "head.nii.gz", "bytes": 10, "sha256": "a" * 64}},
        "software": {"numpy": "2"},
        "parameters": {"thickness_from": "T1"},
        "peak_memory_mb": 2000.0,
    }
    return CaseResult(
        Case("07", "head.nii.gz", 60.0, "F", **case_fields),
        tuple(rows),
        (),
        LesionResult(2.1 if side != "none" else 0.0, side, 0.12, 0.0, 0.2, 0.0),
        "two-networks",
        "review",
        ("The brain mask holds 800 ml.",),
        "none",
        {"name": "m", "version": "1", "sha256": "b" * 64},
        {"read": 1.0},
        provenance,
        (Asymmetry("FPN", NAN, -12.0, 13.0, NAN), Asymmetry("VIS", -2.0, -12.0, 13.0, 42.0)),
        GlobalAgeResult(63.0, 3.0, 2.0, -7.0, 11.0, 60.0, True, "", 61.0, "right hemisphere"),
    )
