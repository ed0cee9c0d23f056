"""Volumes of structures beside FreeSurfer's, and those of one head in other forms.

    python Testing/benchmarks/structures_benchmark.py DATA [--model FOLDER] [--heads sub-0001 sub-0002]

DATA holds ``heads/<name>_T1w.mgz`` and ``heads/freesurfer/<name>/mri/aseg.mgz``; none of these heads was trained on.
Prints Markdown: per structure the ratio to FreeSurfer's voxel count and the Dice coefficient; then, for the first head,
the change in percent when it is given at 1.5 and 2 mm, noisy, stripped, padded, or mirrored (structures of the other
side are then compared).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from RegionalBrainAgeLib.files.images import read_labels, read_t1
from RegionalBrainAgeLib.geometry.image import Image, resample, subsampled, to_canonical
from RegionalBrainAgeLib.head.affine import align_affinely
from RegionalBrainAgeLib.head.brain_mask import extract_brain
from RegionalBrainAgeLib.head.shading import correct_bias
from RegionalBrainAgeLib.structures.model import StructureModel, load_model
from RegionalBrainAgeLib.structures.names import ASEG_CODES
from RegionalBrainAgeLib.structures.on_head import aseg_labels
from RegionalBrainAgeLib.structures.plausibility import structure_quality
from RegionalBrainAgeLib.structures.segmentation import segment_structures
from RegionalBrainAgeLib.structures.volumes import measure_volumes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--heads", nargs="+", default=["sub-0001", "sub-0002"])
    args = parser.parse_args()
    model = load_model(args.model)
    for name in args.heads:
        beside_freesurfer(args.data / "heads", name, model)
    other_forms(to_canonical(read_t1(args.data / "heads" / f"{args.heads[0]}_T1w.mgz")[0]), model)


def measured(head: Image, model: StructureModel) -> tuple[dict[str, float], Image]:
    """Volumes of a head as read, and its label volume; says on the way how well they fit."""
    brain = extract_brain(head, 1)
    t1 = correct_bias(head, brain)
    found = segment_structures(t1, brain, None, align_affinely(t1, brain).native_from_template, model)
    volumes = measure_volumes(found)
    print(structure_quality(found, volumes, t1, brain), flush=True)
    return volumes.by_table_name(), aseg_labels(found, brain)


def beside_freesurfer(heads: Path, name: str, model: StructureModel) -> None:
    volumes, labels = measured(to_canonical(read_t1(heads / f"{name}_T1w.mgz")[0]), model)
    aseg = resample(read_labels(heads / "freesurfer" / name / "mri" / "aseg.mgz"), labels, nearest=True)
    print(f"\n| {name} | ratio to FreeSurfer | Dice |\n|---|---|---|")
    for structure, code in ASEG_CODES.items():
        ours, theirs = labels.array == code, aseg.array == code
        ratio = volumes[structure] / max(theirs.sum() * labels.voxel_volume_ml * 1000.0, 1.0)
        dice = 2 * np.sum(ours & theirs) / max(ours.sum() + theirs.sum(), 1)
        print(f"| {structure} | {ratio:.2f} | {dice:.2f} |")


def other_forms(head: Image, model: StructureModel) -> None:
    usual, _ = measured(head, model)
    forms = {name: measured(form(head), model)[0] for name, form in FORMS.items()}
    forms["mirrored"] = {_other_side(name): value for name, value in forms["mirrored"].items()}
    print("\n| structure |", " | ".join(f"{name}, %" for name in forms), "|\n|---|" + "---|" * len(forms))
    for name in ASEG_CODES:
        changes = [100 * (values[name] / usual[name] - 1) for values in forms.values()]
        print(f"| {name} |", " | ".join(f"{change:+.1f}" for change in changes), "|")


def _at(mm: float) -> Callable[[Image], Image]:
    return lambda head: subsampled(head.like(head.array.astype(np.float32)), mm)


def _noisy(head: Image) -> Image:
    noise = np.random.default_rng(0).normal(0, 0.04 * np.percentile(head.array, 98), head.shape)
    return head.like(np.clip(head.array + noise, 0, None).astype(np.float32))


def _stripped(head: Image) -> Image:
    return head.like(np.where(extract_brain(head, 1).array, head.array, 0).astype(np.float32))


def _padded(head: Image) -> Image:
    shift = np.eye(4)
    shift[:3, 3] = -20
    return Image(np.pad(head.array, 20), head.ras_from_ijk @ shift)


def _mirrored(head: Image) -> Image:
    return head.like(np.ascontiguousarray(head.array[::-1]))


FORMS = {
    "1.5 mm": _at(1.5),
    "2 mm": _at(2.0),
    "noisy": _noisy,
    "stripped": _stripped,
    "padded": _padded,
    "mirrored": _mirrored,
}


def _other_side(name: str) -> str:
    word, dash, rest = name.partition("-")
    return {"Left": "Right", "Right": "Left"}.get(word, word) + dash + rest


if __name__ == "__main__":
    main()
