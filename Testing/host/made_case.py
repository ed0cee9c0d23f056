"""Makes a case folder in the format of a finished case, with an asymmetric head whose answers are known."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from RegionalBrainAgeLib.case.result.tables import REGION_COLUMNS
from RegionalBrainAgeLib.files.tables import write_table

NETWORKS = ("SMN", "FPN", "DAN", "VAN", "SAL", "DMN", "AUD", "VIS", "LIM")
STRAIGHT = np.array([[2.0, 0, 0, -58], [0, 2.0, 0, -58], [0, 0, 2.0, -38], [0, 0, 0, 1]])


@dataclass(frozen=True)
class MadeCase:
    """Where the folder and the head lie, and what must be seen."""

    folder: Path
    t1: Path
    lesion: Path
    centres_ras: dict[int, np.ndarray]
    lesion_centre_ras: np.ndarray
    pads: dict[int, float]
    not_estimable: int


def oblique() -> np.ndarray:
    """An affine that is oblique, anisotropic and left-handed; the same anatomy as `STRAIGHT`."""
    a, b = np.deg2rad(17.0), np.deg2rad(-11.0)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag([-1.6, 2.2, 1.9])
    affine[:3, 3] = -affine[:3, :3] @ np.array([36.0, 27.0, 30.0])
    return affine


def centre_ras(label: int) -> np.ndarray:
    """Centre of region `label` (1..18): odd labels left, even right; three by three on a plane each, z differs."""
    network, right = divmod(label - 1, 2)
    row, column = divmod(network, 3)
    return np.array([(20.0 if right else -20.0), -26.0 + 26.0 * column, -18.0 + 18.0 * row])


def made_case(
    root: Path,
    case_id: str = "made",
    ras_from_ijk: np.ndarray = STRAIGHT,
    scale: float = 1.0,
    calibration: str = "local",
) -> MadeCase:
    """Write the folder ``root/sub-<id>`` and a head beside it. `scale` multiplies the PADs."""
    shape = (60, 60, 40) if ras_from_ijk is STRAIGHT else (72, 54, 60)
    ijk = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    ras = ijk @ ras_from_ijk[:3, :3].T + ras_from_ijk[:3, 3]
    head = ((ras / [50.0, 50.0, 36.0]) ** 2).sum(-1) < 1
    # A bright mark far in the right front, so that a flip can be seen in the head itself.
    mark = ((ras - [30.0, 25.0, 20.0]) ** 2).sum(-1) < 6.0**2
    t1 = np.where(head, 60 + 0.4 * ras[..., 1], 0) + 80 * mark
    labels = np.zeros(shape, np.int16)
    for label in range(1, 19):
        labels[((ras - centre_ras(label)) ** 2).sum(-1) < 7.5**2] = label
    lesion_centre = np.array([-38.0, 5.0, 0.0])
    lesion = ((ras - lesion_centre) ** 2).sum(-1) < 8.0**2
    not_estimable = 5
    pads = {label: round(scale * (1.7 * label - 16.0), 2) for label in range(1, 19) if label != not_estimable}
    pads[9] = 0.0
    name = f"sub-{case_id}"
    folder = root / name
    folder.mkdir(parents=True)
    _write(root / f"{name}_T1w.nii.gz", t1.astype(np.int16), ras_from_ijk)
    _write(root / f"{name}_lesion.nii.gz", lesion.astype(np.uint8), ras_from_ijk)
    _write(folder / f"{name}_desc-regions_dseg.nii.gz", labels, ras_from_ijk)
    _write(folder / f"{name}_desc-lesion_mask.nii.gz", lesion.astype(np.uint8), ras_from_ijk)
    rows = [_row(label, pads.get(label)) for label in range(1, 19)]
    write_table(folder / f"{name}_regions.tsv", rows, dict.fromkeys(REGION_COLUMNS, ("", None)))
    facts = {
        "answer": "3 of 17 regions are older or younger than expected.",
        "case": {"case_id": case_id, "t1": str(root / f"{name}_T1w.nii.gz"), "age_years": 61.0, "sex": "F"},
        "lesion": {"side": "L", "volume_ml": 2.1},
        "warnings": ["Without local calibration only differences within this patient are safe."],
        "calibration": calibration,
        "qc": "pass",
        "asymmetries": [_asymmetry(network, pads) for network in range(9)],
    }
    (folder / f"{name}_case.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / f"{name}_report.html").write_text("<html><body>report</body></html>", encoding="utf-8")
    centres = {label: centre_ras(label) for label in range(1, 19)}
    return MadeCase(
        folder, root / f"{name}_T1w.nii.gz", root / f"{name}_lesion.nii.gz", centres, lesion_centre, pads, not_estimable
    )


def outside(label: int, pad: float) -> bool:
    """Whether a region's PAD lies outside its healthy range."""
    return abs(pad) > 9.0 + 0.5 * label


def _asymmetry(network: int, pads: dict[int, float]) -> dict:
    left, right = pads.get(2 * network + 1), pads.get(2 * network + 2)
    absent = left is None or right is None
    return {
        "network": NETWORKS[network],
        "difference_years": None if absent else round(left - right, 2),
        "lower_years": None if absent else -8.0,
        "upper_years": None if absent else 8.0,
        "percentile": None if absent else 40.0,
    }


def _row(label: int, pad: float | None) -> dict:
    network, right = divmod(label - 1, 2)
    absent = pad is None
    return {
        "region": f"{NETWORKS[network]}_{'R' if right else 'L'}",
        "network": NETWORKS[network],
        "hemisphere": "R" if right else "L",
        "side": "contralesional" if right else "ipsilesional",
        "brain_age_years": math.nan if absent else 61.0 + pad,
        "pad_years": math.nan if absent else pad,
        "pad_corrected_years": math.nan if absent else pad,
        "pad_lower_years": math.nan if absent else pad - 9.0 - 0.5 * label,
        "pad_upper_years": math.nan if absent else pad + 9.0 + 0.5 * label,
        "pad_percentile": math.nan if absent else 50.0 + pad,
        "estimable": not absent,
        "reason": "More than half of its cortex is lesioned." if absent else "",
        "load_fraction": 0.0 if right else 0.03 * network,
        "lesion_volume_ml": 0.2,
        "region_volume_ml": 20.0,
        "thickness_mm": 2.0 + 0.08 * label,
        "parcels": 8,
        "parcels_lesioned_fraction": 0.0,
    }


def _write(path: Path, array: np.ndarray, ras_from_ijk: np.ndarray) -> None:
    image = nib.Nifti1Image(array, ras_from_ijk)
    image.set_qform(ras_from_ijk, 1)
    image.set_sform(ras_from_ijk, 1)
    nib.save(image, path)
