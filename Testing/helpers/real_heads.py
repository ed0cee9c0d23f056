"""The real heads of slow tests and benchmarks, with the facts a case needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lesions_into_heads import heads, lesion_in_head
from RegionalBrainAgeLib.files.images import read_labels, write_image
from RegionalBrainAgeLib.geometry.image import Image, resample
from RegionalBrainAgeLib.head.registration import Registration

KNOWN = {"sub-0001": (25.5, "M"), "sub-0002": (23.25, "F")}
STAND_IN = (40.0, "M")


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
    return {name: RealHead(name, path, *KNOWN.get(name, STAND_IN), name in KNOWN) for name, path in heads(data).items()}


def bring_lesion(case_folder: Path, lesion: Image, path: Path) -> Path:
    """Writes an MNI lesion on the grid of a head that was processed before, through that case's transforms."""
    brain = read_labels(case_folder / f"{case_folder.name}_desc-brain_mask.nii.gz")
    registration = Registration.load(case_folder, case_folder.name)
    brain = resample(brain.like(brain.array > 0), registration.t1_grid)
    write_image(lesion_in_head(lesion, registration, brain), path)
    return path
