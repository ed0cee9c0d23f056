"""Makes a BIDS dataset of six from the heads at hand, to try the BIDS-App on: ``python bids_dataset_of_six.py DIR``.

Three heads and their mirror images, at 2 mm so that six take minutes; each but the last has a mask: a ball in one side
of the brain. Masks lie in ``derivatives/manual``, one person has two sessions. Ages are made up: a test of files and
tables, not of numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from lesions_into_heads import heads
from RegionalBrainAgeLib.files.images import read_t1
from RegionalBrainAgeLib.geometry.image import Image, subsampled, to_canonical
from RegionalBrainAgeLib.head.brain_network import brain_voxels
from shared_folder import data_folder

BALL_MM = 14.0


def ball(head: Image, right: bool) -> np.ndarray:
    """A ball halfway between the middle of the brain and its left or right edge."""
    inside = brain_voxels(head.array)
    where = np.argwhere(inside)
    centre = where.mean(axis=0)
    centre[0] += (0.5 if right else -0.5) * np.ptp(where[:, 0]) / 2
    distance = np.sqrt((((np.indices(head.shape).transpose(1, 2, 3, 0) - centre) * head.spacing_mm) ** 2).sum(axis=-1))
    return inside & (distance < BALL_MM)


def main(root: Path) -> None:
    """Write the dataset."""
    rows = ["participant_id\tage\tsex\tsite\tdays_post_stroke\tmotor"]
    number = 0
    for name in ("sub-0001", "chris", "colin27"):
        original = subsampled(to_canonical(read_t1(heads(data_folder())[name])[0]), 2.0)
        for mirrored in (False, True):
            number += 1
            label = f"{number:02d}"
            head = original.like(np.ascontiguousarray(original.array[::-1])) if mirrored else original
            session = "ses-1" if number == 3 else ""
            stem = f"sub-{label}_{session}_".replace("__", "_")
            anat = root / f"sub-{label}" / session / "anat"
            anat.mkdir(parents=True)
            nib.save(nib.Nifti1Image(head.array.astype(np.float32), head.ras_from_ijk), anat / f"{stem}T1w.nii.gz")
            (anat / f"{stem}T1w.json").write_text("{}\n")
            if number < 6:
                masks = root / "derivatives" / "manual" / f"sub-{label}" / session / "anat"
                masks.mkdir(parents=True)
                mask = ball(head, right=number % 2 == 0).astype(np.uint8)
                nib.save(nib.Nifti1Image(mask, head.ras_from_ijk), masks / f"{stem}label-lesion_mask.nii.gz")
            rows.append(f"sub-{label}\t{45 + 5 * number}\t{'FM'[number % 2]}\tsite{number % 2}\t400\t{number / 10:.1f}")
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    description = {"Name": "Six heads made for a test", "BIDSVersion": "1.10.0", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(description) + "\n")
    (root / "README.md").write_text(
        "Three heads and their mirror images at 2 mm; lesion masks are balls. Ages are made up.\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
