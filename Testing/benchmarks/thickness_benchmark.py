"""Is thickness real? Every bar of the tissue, thickness and parcel steps, with baselines, as tables.

    python Testing/benchmarks/thickness_benchmark.py DATA [--parts heads phantoms] [--heads NAME ...]

DATA is the folder of the fixture `shared_data`. The parts:

heads : mean thickness of each healthy head. Agreement over 148 parcels with FreeSurfer's own statistics, and, where
    only its label volume is at hand, with our thickness step run on those labels. Baselines: the nearest atlas label
    instead of the head's own folds, and plain k-means boundaries. Time is processor time on one thread.
phantoms : shells of known thickness.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from changed_heads import FIRST_CORTEX_CODE
from lesions_into_heads import heads
from phantoms import FOLDED_RADIUS_MM, folded_shell, spherical_shell
from RegionalBrainAgeLib.anatomy.atlases import load_atlas
from RegionalBrainAgeLib.anatomy.freesurfer_codes import WHITE_MATTER
from RegionalBrainAgeLib.anatomy.parcels import (
    PARCEL_NAMES,
    ParcelFeatures,
    measure_parcels,
    parcels_in_ribbon,
    propagation_atlas,
)
from RegionalBrainAgeLib.cortex.freesurfer import read_subject
from RegionalBrainAgeLib.cortex.landmarks import landmarks
from RegionalBrainAgeLib.cortex.parcel_labels import individual_parcels
from RegionalBrainAgeLib.cortex.thickness import cortical_thickness
from RegionalBrainAgeLib.cortex.tissue import Tissue, segment_tissue
from RegionalBrainAgeLib.files.images import read_labels, read_t1
from RegionalBrainAgeLib.geometry.half_millimetre_grid import cubic, fine_affine, linear, nearest
from RegionalBrainAgeLib.geometry.image import Image, bounding_box, cropped, resample, to_canonical
from RegionalBrainAgeLib.head.brain_mask import extract_brain
from RegionalBrainAgeLib.head.lesion_filling import fill_lesion
from RegionalBrainAgeLib.head.registration import Registration, register
from RegionalBrainAgeLib.head.shading import correct_bias
from scipy.cluster.vq import kmeans


@dataclass(frozen=True)
class Prepared:
    """A head up to where tissue begins."""

    t1: Image
    brain: Image
    registration: Registration
    structures: Image


@dataclass(frozen=True)
class Measured:
    """Parcel thickness, where the parcels are, and the same with the nearest atlas label as parcel."""

    features: ParcelFeatures
    parcels: Image
    nearest_mm: np.ndarray
    nearest_parcels: Image
    seconds: float

    @property
    def thickness_mm(self) -> np.ndarray:
        return self.features.thickness_mm


def prepare(t1: Image, lesion: Image | None = None) -> Prepared:
    brain = extract_brain(t1, 1)
    corrected = correct_bias(t1, brain, lesion)
    registration = register(corrected, brain, lesion, 1)
    return Prepared(corrected, brain, registration, registration.to_native(load_atlas("destrieux").labels))


def measure(head: Prepared, lesion: Image | None = None, plain: bool = False) -> Measured:
    start = time.process_time()
    t1 = head.t1 if lesion is None else fill_lesion(head.t1, head.brain, lesion, head.registration.native_from_template)
    tissue = plain_tissue(head) if plain else segment_tissue(t1, head.brain, lesion, head.structures)
    cortex = cortical_thickness(tissue, lesion, 1)
    thickness, area = cortex.thickness_mm, cortex.area_mm2
    ribbon = thickness.like(np.isfinite(thickness.array))
    parcels = individual_parcels(head.registration, tissue, ribbon, lesion, 1)
    seconds = time.process_time() - start
    nearest = parcels_in_ribbon(head.registration.to_native(propagation_atlas()), ribbon, lesion)
    return Measured(
        measure_parcels(thickness, parcels, lesion, area),
        parcels,
        measure_parcels(thickness, nearest, lesion, area).thickness_mm,
        nearest,
        seconds,
    )


def freesurfer_parcels(folder: Path, like: Image) -> tuple[Image, Image]:
    """FreeSurfer's codes of a head, and its parcels numbered as ours, on the grid of `like`."""
    codes = resample(read_labels(folder / "mri" / "aparc.a2009s+aseg.mgz"), like, nearest=True)
    ours = np.zeros(int(codes.array.max()) + 1, np.int16)
    for label, name in enumerate(PARCEL_NAMES, start=1):
        ours[load_atlas("destrieux").codes[f"ctx_{name}"]] = label
    return codes, like.like(ours[codes.array.astype(int)])


def thickness_of_labels_mm(codes: Image, parcels: Image) -> np.ndarray:
    """Our thickness step on FreeSurfer's labels, shape (148,)."""
    array, spacing = codes.array.astype(int), codes.spacing_mm
    marks = landmarks(array, array > 0, spacing)
    cortex = array > FIRST_CORTEX_CODE
    solid = cortex | marks.inside | np.isin(array, WHITE_MATTER)
    levels = []
    for side in (1, 2):
        box = bounding_box(marks.side == side, np.full(3, 3))
        here = (solid & (marks.side == side))[box]
        level = (linear(here, spacing) + linear(here & ~cortex[box], spacing)) / 2
        levels.append(Image(level, fine_affine(cropped(codes, box).ras_from_ijk, spacing)))
    blank = codes.like(np.zeros(codes.shape, np.float32))
    brightness = codes.like((solid.astype(np.float32) + (solid & ~cortex)).astype(np.float32))
    ribbon = cortical_thickness(Tissue(blank, blank, blank, brightness, *levels), None, 1)
    return measure_parcels(ribbon.thickness_mm, parcels, None, ribbon.area_mm2).thickness_mm


def mean_dice(found: Image, truth: Image) -> float:
    count = len(PARCEL_NAMES) + 1
    both, ours, theirs = (
        np.bincount(labels.ravel(), minlength=count)[1:]
        for labels in (np.where(found.array == truth.array, truth.array, 0), found.array, truth.array)
    )
    return float(np.mean(2 * both / (ours + theirs)))


def plain_tissue(head: Prepared) -> Tissue:
    """Baseline: three means for the whole head, borders half-way between them."""
    values, spacing = head.t1.array, head.t1.spacing_mm
    brain = head.brain.array.astype(bool)
    means = np.sort(kmeans(values[brain].astype(float), np.percentile(values[brain], [5.0, 50.0, 90.0]))[0])
    marks = landmarks(head.structures.array, brain, spacing)
    levels = []
    for side in (1, 2):
        box = bounding_box(marks.side == side, np.zeros(3))
        part = cropped(head.t1, box)
        level = np.interp(cubic(part.array, spacing), means, [0, 0.5, 1]).astype(np.float32)
        level[nearest(marks.inside[box], spacing)] = 1
        level[nearest((marks.outside | (marks.side != side))[box], spacing)] = 0
        levels.append(Image(level, fine_affine(part.ras_from_ijk, spacing)))
    blank = head.t1.like(np.zeros(head.t1.shape, np.float32))
    brightness = np.interp(values, means, [0, 1, 2]) * (brain & ~marks.outside)
    brightness = head.t1.like(brightness.astype(np.float32))
    return Tissue(head.t1.like(brain.astype(np.float32)), blank, blank, brightness, *levels)


def agreement(ours: np.ndarray, theirs: np.ndarray) -> str:
    good = np.isfinite(ours) & np.isfinite(theirs)
    difference = ours[good] - theirs[good]
    spread = np.median(np.abs(difference - difference.mean()))
    return f"r {np.corrcoef(ours[good], theirs[good])[0, 1]:.3f}, offset {difference.mean():+.3f}, median {spread:.3f}"


def healthy_heads(data: Path, names: list[str]) -> None:
    for name in names:
        head = prepare(to_canonical(read_t1(heads(data)[name])[0]))
        ours, plain = measure(head), measure(head, plain=True)
        print(f"{name}: mean {np.nanmean(ours.thickness_mm):.3f} mm, {ours.seconds:.1f} s; ", end="")
        print(f"plain k-means boundaries {np.nanmean(plain.thickness_mm):.3f} mm", flush=True)
        folder = data / "heads" / "freesurfer" / name
        if not folder.is_dir():
            continue
        codes, parcels = freesurfer_parcels(folder, head.t1)
        references = {"our thickness step on FreeSurfer's labels": thickness_of_labels_mm(codes, parcels)}
        if (folder / "stats").is_dir():
            references["FreeSurfer's statistics"] = read_subject(folder).thickness_mm
            print(f"  the first reference against the second: {agreement(*references.values())}")
        dice = [mean_dice(found, parcels) for found in (ours.parcels, ours.nearest_parcels)]
        print(f"  mean Dice of parcels: {dice[0]:.3f}, nearest atlas label {dice[1]:.3f}")
        for word, reference in references.items():
            print(f"  against {word}:")
            print(f"    ours                  {agreement(ours.thickness_mm, reference)}")
            print(f"    nearest atlas label   {agreement(ours.nearest_mm, reference)}")
            print(f"    plain k-means         {agreement(plain.thickness_mm, reference)}", flush=True)


def phantoms() -> None:
    print("\nPhantoms: mean error (mm) without and with 3 % noise. A width below zero: the banks of a sulcus have")
    print("grown into each other, and the cortex there is thinner than the thickness it is made with.")
    for make, folds in ((spherical_shell, None), (folded_shell, 8), (folded_shell, 12)):
        for thickness_mm in (2.0, 3.0, 4.0):
            errors = []
            for noise in (0.0, 0.03):
                phantom = make(thickness_mm, noise) if folds is None else make(thickness_mm, noise, folds=folds)
                tissue = segment_tissue(phantom.t1, phantom.brain, None, phantom.structures)
                errors.append(phantom.mean_error_mm(cortical_thickness(tissue, None, 1).thickness_mm))
            word = "spherical shell"
            if folds:
                word = f"{folds} folds, sulci {np.pi * FOLDED_RADIUS_MM / folds - 2 * thickness_mm:.1f} mm wide"
            print(f"{word:30s} {thickness_mm:.0f} mm  {errors[0]:+.3f} {errors[1]:+.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", nargs="+", choices=["heads", "phantoms"], default=["heads", "phantoms"])
    parser.add_argument("--heads", nargs="+", help="only these of the heads")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    if "heads" in args.parts:
        healthy_heads(args.data, [name for name in heads(args.data) if args.heads is None or name in args.heads])
    if "phantoms" in args.parts:
        phantoms()


if __name__ == "__main__":
    main()
