"""Is thickness real? Every bar of the tissue and thickness steps, with baselines, as tables.

    python Testing/benchmarks/thickness_benchmark.py DATA [--quick]

DATA is the folder of the fixture `shared_data`. Printed are: mean thickness of each healthy head, and agreement over
148 parcels with FreeSurfer where its statistics are at hand, beside a baseline with plain k-means boundaries; the same
head rotated and resampled, shaded and made noisy; parcels far from a painted lesion, healed and ignored; and phantoms.
Time is processor time of tissue and thickness on one thread. `--quick` leaves out the repeats and the lesion.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from RegionalBrainAgeLib.anatomy.atlases import coordinates_mm, load_atlas
from RegionalBrainAgeLib.anatomy.freesurfer import read_subject
from RegionalBrainAgeLib.anatomy.parcels import (
    PARCEL_NAMES,
    measure_parcels,
    parcels_in_ribbon,
    propagation_atlas,
)
from RegionalBrainAgeLib.imaging.brain import correct_bias, extract_brain
from RegionalBrainAgeLib.imaging.filling import fill_lesion
from RegionalBrainAgeLib.imaging.fine import cubic, fine_affine, nearest
from RegionalBrainAgeLib.imaging.image import Image, cropped, to_canonical
from RegionalBrainAgeLib.imaging.reading import read_t1
from RegionalBrainAgeLib.imaging.registration import Registration, register
from RegionalBrainAgeLib.imaging.ribbon import landmarks
from RegionalBrainAgeLib.imaging.thickness import cortical_thickness
from RegionalBrainAgeLib.imaging.tissue import Tissue, segment_tissue
from scipy import ndimage
from scipy.cluster.vq import kmeans
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lesions_into_heads import SOOP_EXAMPLES, heads, lesion_in_head, paint_lesion, soop_lesion
from phantoms import folded_shell, spherical_shell

FAR_MM = 20.0


@dataclass(frozen=True)
class Prepared:
    """A head up to where tissue begins."""

    t1: Image
    brain: Image
    registration: Registration
    structures: Image


@dataclass(frozen=True)
class Measured:
    """Parcel thickness, and where the parcels are."""

    thickness_mm: np.ndarray
    parcels: Image
    seconds: float


def prepare(t1: Image, lesion: Image | None = None) -> Prepared:
    brain = extract_brain(t1, 1)
    corrected = correct_bias(t1, brain, lesion, 1)
    registration = register(corrected, brain, lesion, 1)
    return Prepared(corrected, brain, registration, registration.to_native(load_atlas("destrieux").labels))


def measure(head: Prepared, lesion: Image | None = None, plain: bool = False) -> Measured:
    start = time.process_time()
    t1 = head.t1 if lesion is None else fill_lesion(head.t1, head.brain, lesion, head.registration.native_from_template)
    tissue = plain_tissue(head) if plain else segment_tissue(t1, head.brain, lesion, head.structures)
    thickness = cortical_thickness(tissue, lesion, 1)
    seconds = time.process_time() - start
    ribbon = thickness.like(np.isfinite(thickness.array))
    parcels = parcels_in_ribbon(head.registration.to_native(propagation_atlas()), ribbon, lesion)
    return Measured(measure_parcels(thickness, parcels, lesion).thickness_mm, parcels, seconds)


def plain_tissue(head: Prepared) -> Tissue:
    """Baseline: three means for the whole head, borders half-way between them."""
    values, spacing = head.t1.array, head.t1.spacing_mm
    brain = head.brain.array.astype(bool)
    means = np.sort(kmeans(values[brain].astype(float), np.percentile(values[brain], [5.0, 50.0, 90.0]))[0])
    marks = landmarks(head.structures.array, brain, spacing)
    levels = []
    for side in (1, 2):
        box = ndimage.find_objects(marks.side == side)[0]
        part = cropped(head.t1, box)
        level = np.interp(cubic(part.array, spacing), means, [0, 0.5, 1]).astype(np.float32)
        level[nearest(marks.inside[box], spacing)] = 1
        level[nearest((marks.outside | (marks.side != side))[box], spacing)] = 0
        levels.append(Image(level, fine_affine(part.ras_from_ijk, spacing)))
    blank = head.t1.like(np.zeros(head.t1.shape, np.float32))
    return Tissue(blank, blank, blank, *levels)


def rotated(t1: Image) -> Image:
    turn = Rotation.from_euler("xyz", [3, -3, 3], degrees=True).as_matrix()
    centre = (np.array(t1.shape) - 1) / 2 + 0.3
    return t1.like(np.clip(ndimage.affine_transform(t1.array, turn, centre - turn @ centre, order=3), 0, None))


def shaded(t1: Image) -> Image:
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in t1.shape], indexing="ij")
    field = 0.6 * np.sin(2 * x + 0.7) + 0.5 * y * z + 0.5 * np.cos(2.5 * y) + 0.4 * z
    return t1.like((t1.array * (1 + 0.2 * (field - field.mean()) / np.ptp(field))).astype(np.float32))


def noisy(t1: Image) -> Image:
    rng = np.random.default_rng(1)
    sd = 0.03 * float(np.percentile(t1.array[t1.array > np.percentile(t1.array, 60)], 90))
    return t1.like(np.hypot(t1.array + rng.normal(0, sd, t1.shape), rng.normal(0, sd, t1.shape)).astype(np.float32))


def agreement(ours: np.ndarray, theirs: np.ndarray) -> str:
    good = np.isfinite(ours) & np.isfinite(theirs)
    difference = ours[good] - theirs[good]
    spread = np.median(np.abs(difference - difference.mean()))
    return f"r {np.corrcoef(ours[good], theirs[good])[0, 1]:.3f}, offset {difference.mean():+.3f}, median {spread:.3f}"


def healthy_heads(data: Path) -> dict[str, tuple[Image, Prepared, Measured]]:
    print("head        mean mm  CPU s  against FreeSurfer | baseline, plain k-means: mean mm, against FreeSurfer")
    done = {}
    for name, path in heads(data).items():
        t1 = to_canonical(read_t1(path)[0])
        head = prepare(t1)
        ours, plain = measure(head), measure(head, plain=True)
        folder = data / "heads" / "freesurfer" / name
        reference = read_subject(folder).thickness_mm if (folder / "stats").is_dir() else None
        words = [agreement(m.thickness_mm, reference) if reference is not None else "-" for m in (ours, plain)]
        print(
            f"{name:10s} {np.nanmean(ours.thickness_mm):8.3f} {ours.seconds:6.1f}  {words[0]} | "
            f"{np.nanmean(plain.thickness_mm):.3f}, {words[1]}",
            flush=True,
        )
        done[name] = (t1, head, ours)
    return done


def repeats(done: dict[str, tuple[Image, Prepared, Measured]], names: tuple[str, ...]) -> None:
    print("\nThe same head again: mean absolute change of 148 parcels (mm)")
    for name in names:
        t1, _, before = done[name]
        for word, change in (("rotated 3 degrees", rotated), ("shaded 20 %", shaded), ("3 % noise", noisy)):
            after = measure(prepare(change(t1.like(t1.array.astype(np.float32)))))
            moved = np.nanmean(np.abs(after.thickness_mm - before.thickness_mm))
            print(f"{name:10s} {word:20s} {moved:.3f}", flush=True)


def lesions(data: Path, done: dict[str, tuple[Image, Prepared, Measured]], name: str) -> None:
    print(f"\nA lesion painted into {name}: median absolute change (mm) of parcels more than {FAR_MM:.0f} mm away")
    t1, head, before = done[name]
    for example in SOOP_EXAMPLES:
        lesion = lesion_in_head(soop_lesion(data, example), head.registration, head.brain)
        painted = paint_lesion(t1, lesion, head.brain)
        far = far_parcels(before.parcels, lesion)
        changes = []
        for mask in (lesion, None):
            after = measure(prepare(painted, mask), mask)
            changes.append(np.nanmedian(np.abs(after.thickness_mm - before.thickness_mm)[far]))
        volume = lesion.array.sum() * lesion.voxel_volume_ml
        print(
            f"{volume:6.0f} ml, {far.sum():3d} parcels: handled {changes[0]:.3f}, ignored {changes[1]:.3f}", flush=True
        )


def far_parcels(parcels: Image, lesion: Image) -> np.ndarray:
    """Boolean, shape (148,): parcels with every voxel farther than `FAR_MM` from the lesion."""
    tree = cKDTree(coordinates_mm(lesion, np.argwhere(lesion.array)))
    where = np.argwhere(parcels.array > 0)
    near = np.isfinite(tree.query(coordinates_mm(parcels, where), distance_upper_bound=FAR_MM)[0])
    label = parcels.array[tuple(where.T)].astype(int) - 1
    count = len(PARCEL_NAMES)
    return (np.bincount(label[near], minlength=count) == 0) & (np.bincount(label, minlength=count) > 0)


def phantoms() -> None:
    print("\nPhantoms: mean error (mm) without and with 3 % noise")
    for make, folds in ((spherical_shell, None), (folded_shell, 8), (folded_shell, 12)):
        for thickness_mm in (2.0, 3.0, 4.0):
            errors = []
            for noise in (0.0, 0.03):
                phantom = make(thickness_mm, noise) if folds is None else make(thickness_mm, noise, folds=folds)
                tissue = segment_tissue(phantom.t1, phantom.brain, None, phantom.structures)
                errors.append(phantom.mean_error_mm(cortical_thickness(tissue, None, 1)))
            word = make.__name__ + (f", {folds} folds" if folds else "")
            print(f"{word:24s} {thickness_mm:.0f} mm  {errors[0]:+.3f} {errors[1]:+.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    done = healthy_heads(args.data)
    if not args.quick:
        repeats(done, ("sub-0001", "chris"))
        lesions(args.data, done, "sub-0001")
    phantoms()


if __name__ == "__main__":
    main()
