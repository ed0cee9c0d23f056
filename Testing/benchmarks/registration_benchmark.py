"""How well heads are aligned with MNI space, in what time, and how little a lesion disturbs it.

    python Testing/benchmarks/registration_benchmark.py [--heads sub-0001 sub-0002 chris colin27] [--lesions NAME ...]

Tables:
1. Accuracy against FreeSurfer's own labels of two heads: Dice of cortex, white matter, ventricles carried over from the
   Destrieux atlas; mean Dice of its 148 parcels directly, and after each ribbon voxel takes the nearest parcel's label.
   Baselines in the same run: the affine step alone, and SimpleITK's fast symmetric-forces demons after that affine.
2. Similarity of heads aligned well and misplaced on purpose: what the limits in the code rest on.
3. Lesion safety: how far the registration of a head moves when a real lesion is painted into it, by distance from the
   lesion, with the lesion filled (default), masked from the metric, or not handled.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from lesions_into_heads import SOOP_EXAMPLES, heads, lesion_in_head, paint_lesion, soop_lesion
from RegionalBrainAgeLib.anatomy.atlases import load_atlas
from RegionalBrainAgeLib.files.images import read_labels, read_t1
from RegionalBrainAgeLib.geometry.image import Image, resample, to_canonical, to_sitk
from RegionalBrainAgeLib.head import registration as registration_module
from RegionalBrainAgeLib.head.affine import FINE_MM, _Pyramid, align_affinely
from RegionalBrainAgeLib.head.brain_mask import extract_brain
from RegionalBrainAgeLib.head.registration import Registration, register
from RegionalBrainAgeLib.head.shading import correct_bias
from scipy import ndimage
from scipy.spatial.transform import Rotation
from shared_folder import data_folder

TISSUES = {
    "cortex": lambda labels: labels >= 11000,
    "white": lambda labels: np.isin(labels, (2, 41, 77, 251, 252, 253, 254, 255)),
    "ventricles": lambda labels: np.isin(labels, (4, 43, 5, 44)),
}


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def accuracy(carried: np.ndarray, truth: np.ndarray) -> list[float]:
    """Dice of three tissues, mean parcel Dice direct, and after nearest-label propagation in FreeSurfer's ribbon."""
    parcels = np.unique(truth[truth > 11000])
    parcels = parcels[parcels % 1000 != 0]
    nearest = np.zeros_like(truth)
    for base in (11000, 12000):
        ribbon, source = (labels // 1000 == base // 1000 for labels in (truth, carried))
        index = ndimage.distance_transform_edt(~source, return_distances=False, return_indices=True)
        nearest[ribbon] = carried[tuple(index)][ribbon]
    direct, propagated = ([dice(a == p, truth == p) for p in parcels] for a in (carried, nearest))
    return [dice(f(carried), f(truth)) for f in TISSUES.values()] + [np.mean(direct), np.mean(propagated)]


def demons(t1: Image, brain: Image, native_from_template: np.ndarray) -> sitk.Transform:
    """Native point to template point: the affine, then fast symmetric-forces demons at 4, 2 and 1 mm."""
    to_near = registration_module._lps_affine(native_from_template)
    fixed, moving = (to_sitk(image) for image in registration_module._brains(t1, brain, to_near))
    moving = sitk.HistogramMatching(moving, fixed, 256, 15, True)
    field = None
    for shrink, iterations in ((4, 60), (2, 40), (1, 12)):
        small = [sitk.Shrink(sitk.SmoothingRecursiveGaussian(v, 0.5 * shrink), [shrink] * 3) for v in (fixed, moving)]
        step = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        step.SetNumberOfThreads(2)
        step.SetNumberOfIterations(iterations)
        step.SetStandardDeviations(1.5)
        field = step.Execute(*small) if field is None else step.Execute(*small, sitk.Resample(field, small[0]))
    back = registration_module._lps_affine(np.linalg.inv(native_from_template))
    return sitk.CompositeTransform([sitk.DisplacementFieldTransform(field), back])


def accuracy_table(names: list[str], prepared: dict, data: Path, with_demons: bool) -> None:
    print("\n1. Accuracy and cost of registration (Dice against FreeSurfer)")
    print(f"{'head':10}{'method':10}{'cortex':>8}{'white':>8}{'ventr.':>8}{'parcels':>9}{'propag.':>9}{'time s':>8}")
    atlas = load_atlas("destrieux").labels
    for name in names:
        t1, brain = prepared[name]
        start = time.perf_counter()
        affine = align_affinely(t1, brain)
        affine_s = time.perf_counter() - start
        start = time.perf_counter()
        found = register(t1, brain)
        total_s = time.perf_counter() - start
        folder = data / "heads" / "freesurfer" / name / "mri" / "aparc.a2009s+aseg.mgz"
        if not folder.exists():
            print(
                f"{name:10}{'ours':10}{'(no reference labels)':>42}{total_s:8.1f}   similarity {found.similarity:.3f}"
            )
            continue
        truth = resample(read_labels(folder), t1, nearest=True).array
        only_affine = registration_module._lps_affine(np.linalg.inv(affine.native_from_template))
        rows = [("affine", only_affine, affine_s), ("ours", found._template_from_native, total_s)]
        if with_demons:
            start = time.perf_counter()
            transform = demons(t1, brain, affine.native_from_template)
            rows.append(("demons", transform, affine_s + time.perf_counter() - start))
        for method, transform, seconds in rows:
            carried = registration_module._resample_through(atlas, t1, transform, nearest=True).array
            figures = accuracy(carried, truth)
            cells = "".join(f"{x:8.3f}" for x in figures[:3]) + "".join(f"{x:9.3f}" for x in figures[3:])
            print(f"{name:10}{method:10}{cells}{seconds:8.1f}", flush=True)


def misplacement_table(names: list[str], prepared: dict) -> None:
    print("\n2. Similarity after the affine step, and of the same head misplaced")
    moves = {
        "aligned": (0, 0),
        "5 mm": (5, 0),
        "10 mm": (10, 0),
        "20 mm": (20, 0),
        "15 deg": (0, 15),
        "30 deg": (0, 30),
    }
    print(f"{'head':10}" + "".join(f"{move:>10}" for move in moves))
    for name in names:
        t1, brain = prepared[name]
        aligned = align_affinely(t1, brain).native_from_template
        level = _Pyramid(t1, brain, None).level(FINE_MM)
        cells = []
        for shift_mm, turn_deg in moves.values():
            move = np.eye(4)
            move[:3, :3] = Rotation.from_euler("x", turn_deg, degrees=True).as_matrix()
            move[0, 3] = shift_mm
            cells.append(level.similarity(aligned @ move))
        print(f"{name:10}" + "".join(f"{cell:10.3f}" for cell in cells), flush=True)


def found_places(registration: Registration, template_mm: np.ndarray) -> np.ndarray:
    """Where a registration finds template points (3, N) in the head, RAS mm."""
    field = registration.to_native_field
    inverse = np.linalg.inv(field.ras_from_ijk)
    voxels = inverse[:3, :3] @ template_mm + inverse[:3, 3:]
    bent = template_mm + np.stack([ndimage.map_coordinates(v, voxels, order=1) for v in field.vectors_mm])
    return registration.native_from_template[:3, :3] @ bent + registration.native_from_template[:3, 3:]


def lesion_table(names: list[str], lesions: list[str], prepared: dict, data: Path) -> None:
    print("\n3. Movement of the registration (mean, 95th percentile, mm) when a lesion is painted into the head")
    template = registration_module.template_brain()
    brain_ijk = np.argwhere(template.array > 0)[::61]
    points = template.ras_from_ijk[:3, :3] @ brain_ijk.T + template.ras_from_ijk[:3, 3:]
    bands = {"0-10 mm": (0, 10), "10-20 mm": (10, 20), "over 20 mm": (20, 500)}
    print(
        f"{'head':10}{'lesion':14}{'ml':>5} {'handling':9}" + "".join(f"{band:>16}" for band in bands) + "   other side"
    )
    for name in names:
        t1, brain = prepared[name]
        sound = register(t1, brain)
        places = found_places(sound, points)
        for lesion_name in lesions:
            lesion_mni = soop_lesion(data, lesion_name)
            lesion = lesion_in_head(lesion_mni, sound, brain)
            painted = paint_lesion(t1, lesion, brain)
            in_template = resample(lesion_mni, template)
            distance_mm = ndimage.distance_transform_edt(~in_template.array)[tuple(brain_ijk.T)]
            lesion_x = points[0][distance_mm == 0].mean()
            other_side = points[0] * np.sign(lesion_x) < -5
            for handling in ("fill", "mask", "none"):
                moved_mm = np.linalg.norm(
                    found_places(register(painted, brain, lesion, lesion_handling=handling), points) - places, axis=0
                )
                cells = [moved_mm[(distance_mm > low) & (distance_mm <= high)] for low, high in bands.values()]
                text = "".join(f"{c.mean():10.3f}{np.percentile(c, 95):6.2f}" for c in cells)
                volume_ml = lesion.array.sum() * lesion.voxel_volume_ml
                print(
                    f"{name:10}{lesion_name:14}{volume_ml:5.0f} {handling:9}{text}{moved_mm[other_side].mean():13.3f}",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", nargs="+", default=["sub-0001", "sub-0002", "chris", "colin27"])
    parser.add_argument("--lesions", nargs="*", default=list(SOOP_EXAMPLES))
    parser.add_argument("--no-demons", action="store_true", help="leave the demons baseline out")
    options = parser.parse_args()
    data = data_folder()
    prepared = {}
    print("Preparation (s): reading, brain mask, bias field")
    for name in options.heads:
        times = [time.perf_counter()]
        t1 = to_canonical(read_t1(heads(data)[name])[0])
        times.append(time.perf_counter())
        brain = extract_brain(t1)
        times.append(time.perf_counter())
        prepared[name] = correct_bias(t1, brain), brain
        times.append(time.perf_counter())
        print(f"{name:10}" + "".join(f"{x:8.1f}" for x in np.diff(times)), flush=True)
        mask_path = data / "heads" / "freesurfer" / name / "mri" / "brainmask.mgz"
        if mask_path.exists():
            mask = resample(read_labels(mask_path), t1, nearest=True).array > 0
            aseg = resample(read_labels(mask_path.with_name("aseg.mgz")), t1, nearest=True).array > 0
            covered = np.count_nonzero(aseg & brain.array) / np.count_nonzero(aseg)
            print(f"{'':10}mask: Dice with FreeSurfer's {dice(mask, brain.array):.3f}, {covered:.4f} of aseg covered")
    misplacement_table(options.heads, prepared)
    accuracy_table(options.heads, prepared, data, with_demons=not options.no_demons)
    if options.lesions:
        lesion_table(options.heads[:1], options.lesions, prepared, data)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
