"""Dice of the proposed lesion with painted lesions of real shape, in real heads, by lesion size.

    python Testing/benchmarks/lesion_proposal_benchmark.py --data PATH_TO_DATA [--per-size 2] [--heads sub-0001 chris]

Real masks are brought into each head by its own registration, painted as chronic strokes, and the painted head goes
through brain mask, bias field and registration as a new head would, without the mask. Baseline in the same run: what is
as dark as fluid outside the ventricles. Painted lesions are darker and cleaner than many real ones: expect less there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from RegionalBrainAgeLib.anatomy.atlases import load_atlas
from RegionalBrainAgeLib.files.images import read_t1
from RegionalBrainAgeLib.geometry.image import Image, to_canonical
from RegionalBrainAgeLib.head.brain_mask import extract_brain
from RegionalBrainAgeLib.head.registration import Registration, register
from RegionalBrainAgeLib.head.shading import correct_bias
from RegionalBrainAgeLib.lesion.proposal import propose_lesion
from RegionalBrainAgeLib.lesion.simulation import paint_lesion
from RegionalBrainAgeLib.resources import DEMO_HEAD, package_file
from scipy import ndimage

SIZES_ML = {"3-10": (3, 10), "10-20": (10, 20), "20-60": (20, 60), "60-200": (60, 200)}
VENTRICLES = (4, 5, 14, 15, 43, 44)


def heads(data: Path) -> dict[str, Path]:
    folder = data / "heads"
    return {
        "sub-0001": folder / "sub-0001_T1w.mgz",
        "sub-0002": folder / "sub-0002_T1w.mgz",
        "chris": folder / "chris_T1w.nii.gz",
        "colin27": package_file(*DEMO_HEAD),
    }


def prepared(t1: Image) -> tuple[Image, Image, Registration]:
    """Head as the pipeline sees it: corrected, with brain mask and registration."""
    brain = extract_brain(t1)
    corrected = correct_bias(t1, brain, None)
    return corrected, brain, register(corrected, brain, None)


def dark_tissue(t1: Image, brain: Image, registration: Registration) -> np.ndarray:
    """Baseline: a third of the way from fluid to white matter or darker, opened, without ventricles."""
    inside = ndimage.binary_erosion(brain.array, iterations=3)
    fluid, white = np.percentile(t1.array[inside], (1, 80))
    ventricles = np.isin(registration.to_native(load_atlas("destrieux").labels).array, VENTRICLES)
    dark = inside & (t1.array < fluid + (white - fluid) / 3) & ~ndimage.binary_dilation(ventricles, iterations=3)
    return ndimage.binary_opening(dark, iterations=2)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.sum(a & b) / max(a.sum() + b.sum(), 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--per-size", type=int, default=2)
    parser.add_argument("--heads", nargs="*")
    options = parser.parse_args()
    files = sorted((options.data / "lesions" / "soop").glob("*.nii.gz"))
    volumes_ml = np.array([np.count_nonzero(np.asarray(nib.load(path).dataobj)) / 1000 for path in files])
    by_size: dict[str, list[float]] = {size: [] for size in SIZES_ML}
    print(f"{'head':<10}{'lesion':<30}{'ml':>7}{'proposed':>10}{'Dice':>7}{'baseline':>10}")
    for number, (name, path) in enumerate(heads(options.data).items()):
        if options.heads and name not in options.heads:
            continue
        # The same lesions for a head, whichever heads are asked for.
        random = np.random.default_rng([11, number])
        t1 = to_canonical(read_t1(path)[0])
        corrected, brain, registration = prepared(t1)
        proposal = propose_lesion(corrected, brain, registration)
        print(f"{name:<10}{'none':<30}{0:>7.1f}{proposal.array.sum() * proposal.voxel_volume_ml:>10.1f}")
        for size, (low, high) in SIZES_ML.items():
            for index in random.choice(
                np.flatnonzero((volumes_ml > low) & (volumes_ml <= high)), options.per_size, False
            ):
                file = nib.load(files[index])
                mask = Image(np.asarray(file.dataobj) > 0, np.asarray(file.affine, float))
                lesion = registration.to_native(mask).array.astype(bool) & brain.array
                painted = paint_lesion(t1, t1.like(lesion), brain, seed=int(index))
                found = prepared(painted)
                proposal = propose_lesion(*found)
                scores = dice(proposal.array, lesion), dice(dark_tissue(*found), lesion)
                by_size[size].append(scores[0])
                ml = t1.voxel_volume_ml
                print(
                    f"{name:<10}{files[index].name[:28]:<30}{lesion.sum() * ml:>7.1f}"
                    f"{proposal.array.sum() * ml:>10.1f}{scores[0]:>7.2f}{scores[1]:>10.2f}",
                    flush=True,
                )
    for size, values in by_size.items():
        if values:
            print(f"{size:>7} ml: median Dice {np.median(values):.2f} (lowest {min(values):.2f}, n = {len(values)})")


if __name__ == "__main__":
    main()
