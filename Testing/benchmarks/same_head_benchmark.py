"""The same head in another form, with planted thinning, a painted lesion, or parcels left out: what the ages do.

    python Testing/benchmarks/same_head_benchmark.py DATA [--parts forms thinning lesions missing] [--heads NAME ...]
        [--tables FOLDER]

DATA is the folder of the fixture `shared_data`; heads are those of `real_heads` or ids of
`heads_with_age`. Everything is measured as `case` does, without pictures, and read without calibration. The parts:

forms : mirrored, padded, noisy, turned, shaded, of other contrast, blurred, with the dark white matter of old age,
    stripped, in thicker slices (also resampled to the head's own grid), reduced to 1.5 and 2 mm (averaged, and sampled
    without averaging). Ages should not move; a mirrored head's left minus right should change its sign. With --tables
    FOLDER, what was measured is written there, one table per form, for ``regional-brain-age route --forms``; the sides
    of a mirrored head are changed back.
thinning : the outer 0.2 and 0.4 mm of one region's cortex turned into fluid, by FreeSurfer's labels of the head; the
    slope is over what the image could lose of it.
    Baseline of the slope: 0 is no measurement, 1 is what was planted.
lesions : real lesions painted into the head, handled with their mask. The other side's ages should not move.
missing : no new measurement; the parcels of one region after the other are left out. All others' ages should not move.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from changed_heads import (
    blurred,
    in_thick_slices,
    mirrored,
    noisy,
    of_other_contrast,
    padded,
    reduced,
    rotated,
    shaded,
    thinned,
    with_dark_white_matter,
    without_skull,
)
from lesions_into_heads import SOOP_EXAMPLES, lesion_in_head, paint_lesion, soop_lesion
from real_heads import RealHead, real_heads
from RegionalBrainAgeLib.age.ages import Ages
from RegionalBrainAgeLib.age.features import MIRROR_IMAGES, T1, Features
from RegionalBrainAgeLib.age.model.brain_age_model import BrainAgeModel
from RegionalBrainAgeLib.age.model.model_files import load_model
from RegionalBrainAgeLib.age.people import people_of_features
from RegionalBrainAgeLib.age.subjects import write_people
from RegionalBrainAgeLib.anatomy.atlases import load_atlas
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.anatomy.regions import load_scheme
from RegionalBrainAgeLib.case.measure_head import Head, Scan, measure_head
from RegionalBrainAgeLib.case.pipeline import brain_features
from RegionalBrainAgeLib.case.result.result import LesionResult
from RegionalBrainAgeLib.case.steps import Steps
from RegionalBrainAgeLib.files.images import read_labels, read_t1
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.geometry.image import Image, resample, to_canonical
from RegionalBrainAgeLib.lesion.measures import summarise_lesion
from threadpoolctl import threadpool_limits

THINNING_MM = (0.2, 0.4)
THINNED_REGIONS = ("SMN_L", "DMN_R")
# Forms that a head of 2 mm has already, or is too coarse for.
FINE_ONLY = (
    "slices of 1.5 mm",
    "slices of 3 mm, resampled",
    "slices of 5 mm, resampled",
    "averaged to 1.5 mm",
    "averaged to 2 mm",
    "sampled at 2 mm",
)


@dataclass(frozen=True)
class Measured:
    """A head as measured and read."""

    head: Head
    features: Features
    ages: Ages

    @property
    def regional_years(self) -> np.ndarray:
        return np.asarray(self.ages.brain_age_years, dtype=float)

    @property
    def global_years(self) -> float:
        return float(self.ages.global_age.brain_age_years)


@dataclass(frozen=True)
class Bench:
    """One head, its image, the model, and what was measured of all heads by form."""

    head: RealHead
    t1: Image
    model: BrainAgeModel
    measured: dict[str, list[tuple[RealHead, Features]]]

    @classmethod
    def of(cls, head: RealHead, model: BrainAgeModel, measured: dict) -> Bench:
        t1 = to_canonical(read_t1(head.t1)[0])
        return cls(head, t1.like(t1.array.astype(np.float32)), model, measured)

    @property
    def name(self) -> str:
        return self.head.name

    def measure(self, t1: Image, lesion: Image | None = None) -> Measured:
        scan = Scan(t1, lesion, t1, "The lesion", ())
        head = measure_head(scan, load_scheme(), Steps(), 1, surfaces=False)
        assert head.features is not None
        found = LesionResult(0.0, "none", 0.0, 0.0, 0.0, 0.0)
        if lesion is not None:
            summary = summarise_lesion(lesion, head.registration)
            found = replace(found, volume_ml=summary.volume_ml, side=summary.side, other_side_ml=summary.other_side_ml)
        return self.read(head, brain_features(head.features, head.structures, found, T1))

    def read(self, head: Head, features: Features) -> Measured:
        return Measured(head, features, self.model.predict(features, self.head.age_years, self.head.sex))

    @property
    def left(self) -> np.ndarray:
        return self.model.region_sides == "L"

    def left_minus_right(self, found: Measured) -> float:
        years = found.regional_years
        return float(np.nanmean(years[self.left]) - np.nanmean(years[~self.left]))


def size(years: np.ndarray) -> str:
    """Median and largest of absolute changes, in words."""
    return f"median {np.nanmedian(np.abs(years)):.2f}, largest {np.nanmax(np.abs(years)):.2f} y"


def heads_at_hand(data: Path) -> dict[str, RealHead]:
    """The real heads by name, and those of known age by their ids."""
    folder = data / "heads_with_age"
    aged = {
        row["id"]: RealHead(row["id"], folder / row["t1"], float(row["age"]), row["sex"], age_known=True)
        for row in read_table(folder / "heads.tsv")
    }
    return real_heads(data) | aged


def forms(bench: Bench, plain: Measured, _: Path) -> None:
    changes = {
        "mirrored": mirrored,
        "padded by 10 voxels": padded,
        "3 % noise": noisy,
        "turned by 3 degrees": rotated,
        "shaded by 20 %": shaded,
        "dark white matter": lambda t1: with_dark_white_matter(t1, plain.head.volumes.structures),
        "brighter grey matter": lambda t1: of_other_contrast(t1, 0.9),
        "darker grey matter": lambda t1: of_other_contrast(t1, 1.1),
        "blurred by 2 mm": lambda t1: blurred(t1, 2.0),
        "without skull": lambda t1: without_skull(t1, plain.head.volumes.brain),
        "slices of 1.5 mm": lambda t1: in_thick_slices(t1, 1.5, axis=1),
        "slices of 3 mm, resampled": lambda t1: resample(in_thick_slices(t1, 3.0, axis=2), t1),
        "slices of 5 mm, resampled": lambda t1: resample(in_thick_slices(t1, 5.0, axis=2), t1),
        "averaged to 1.5 mm": lambda t1: reduced(t1, 1.5, average=True),
        "averaged to 2 mm": lambda t1: reduced(t1, 2.0, average=True),
        "sampled at 2 mm": lambda t1: reduced(t1, 2.0, average=False),
    }
    for word, change in changes.items():
        if word in FINE_ONLY and min(bench.t1.spacing_mm) > 1.4:
            continue
        found = bench.measure(change(bench.t1))
        bench.measured.setdefault(word, []).append((bench.head, found.features))
        moved = found.regional_years - plain.regional_years
        if word == "mirrored":
            left, right = np.array([(left, right) for _, left, right in bench.model.pairs]).T
            moved[[*left, *right]] = found.regional_years[[*right, *left]] - plain.regional_years[[*left, *right]]
        thickness_mm = np.nanmean(found.features.thickness_mm) - np.nanmean(plain.features.thickness_mm)
        print(
            f"{bench.name:9s} {word:24s} global {found.global_years - plain.global_years:+.1f} y; regions "
            f"{size(moved)}; left minus right {bench.left_minus_right(plain):+.1f} -> "
            f"{bench.left_minus_right(found):+.1f} y; thickness {thickness_mm:+.3f} mm",
            flush=True,
        )


def thinning(bench: Bench, plain: Measured, data: Path) -> None:
    folder = data / "heads" / "freesurfer" / bench.name / "mri"
    if not folder.is_dir():
        print(f"{bench.name}: no FreeSurfer labels to plant by")
        return
    codes = resample(read_labels(folder / "aparc.a2009s+aseg.mgz"), bench.t1, nearest=True)
    numbers = load_atlas("destrieux").codes
    for region in THINNED_REGIONS:
        index = bench.model.region_names.index(region)
        touched = bench.model.membership[index] > 0
        same = np.array([name.startswith("lh_" if region.endswith("L") else "rh_") for name in PARCEL_NAMES])
        chosen = [numbers[f"ctx_{name}"] for name, use in zip(PARCEL_NAMES, touched, strict=True) if use]
        for thinning_mm in THINNING_MM:
            changed, planted_mm = thinned(bench.t1, codes, chosen, thinning_mm)
            found = bench.measure(changed)
            change = found.features.thickness_mm - plain.features.thickness_mm
            years = found.regional_years - plain.regional_years
            overlapping = (bench.model.membership[:, touched].sum(axis=1)) > 0
            others = years[~overlapping & (bench.left == bench.left[index])]
            across = years[bench.left != bench.left[index]]
            print(
                f"{bench.name:9s} {region} {thinning_mm:.1f} mm, {planted_mm:.3f} of which the image could lose: found "
                f"{np.nanmean(change[touched]):+.3f} mm, slope {-np.nanmean(change[touched]) / planted_mm:.2f}; leak "
                f"{np.nanmean(change[same & ~touched]):+.3f} mm (other side {np.nanmean(change[~same]):+.3f}); its "
                f"age {years[index]:+.1f} y, others of the side {size(others)}, other side {size(across)}",
                flush=True,
            )


def lesions(bench: Bench, plain: Measured, data: Path) -> None:
    for example in SOOP_EXAMPLES:
        brain = plain.head.volumes.brain
        lesion = lesion_in_head(soop_lesion(data, example), plain.head.registration, brain)
        found = bench.measure(paint_lesion(bench.t1, lesion, brain), lesion)
        on_left = summarise_lesion(lesion, plain.head.registration).side == "L"
        years = found.regional_years - plain.regional_years
        same, other = years[bench.left == on_left], years[bench.left != on_left]
        print(
            f"{bench.name:9s} {lesion.array.sum() * lesion.voxel_volume_ml:4.0f} ml {'left' if on_left else 'right'}: "
            f"other side {size(other)}; same side "
            f"mean {np.nanmean(same):+.1f} y of {np.isfinite(same).sum()} regions; global "
            f"{found.global_years - plain.global_years:+.1f} y",
            flush=True,
        )


def missing(bench: Bench, plain: Measured, _: Path) -> None:
    moved = []
    for index in range(len(bench.model.region_names)):
        thickness = plain.features.thickness_mm.copy()
        touched = bench.model.membership[index] > 0
        thickness[touched] = np.nan
        found = bench.read(plain.head, replace(plain.features, thickness_mm=thickness))
        others = bench.model.membership[:, touched].sum(axis=1) == 0
        moved.append((found.regional_years - plain.regional_years)[others])
    years = np.concatenate(moved)
    print(
        f"{bench.name:9s} one region's parcels left out: ages of regions that share none of them move by "
        f"{np.nanmean(years):+.2f} y on the mean, {np.nanmean(np.abs(years)):.2f} absolute, "
        f"{np.nanmax(np.abs(years)):.1f} at most",
        flush=True,
    )


def write_tables(measured: dict[str, list[tuple[RealHead, Features]]], folder: Path) -> None:
    """One table of people per form."""
    folder.mkdir(parents=True, exist_ok=True)
    for word, heads in measured.items():
        about = [head for head, _ in heads]
        people = people_of_features(
            [features for _, features in heads],
            [head.name for head in about],
            [head.age_years for head in about],
            [head.sex for head in about],
        )
        # A table of people names a site; that of a changed head is nowhere.
        people = replace(people, site=np.full(len(people), "changed"))
        if word == "mirrored":
            people = people.with_values(people.values[:, MIRROR_IMAGES])
        write_people(people, folder / (re.sub(r"\W+", "_", word) + ".csv"))


def main() -> None:
    parts = {"forms": forms, "thinning": thinning, "lesions": lesions, "missing": missing}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--heads", nargs="+", default=["sub-0001", "sub-0002"])
    parser.add_argument("--tables", type=Path, help="folder for one table per form")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    threadpool_limits(1)
    model, known = load_model(), heads_at_hand(args.data)
    measured: dict[str, list[tuple[RealHead, Features]]] = {"plain": []}
    for name in args.heads:
        bench = Bench.of(known[name], model, measured)
        plain = bench.measure(bench.t1)
        measured["plain"].append((bench.head, plain.features))
        print(
            f"{name}: true age {bench.head.age_years}, reads {plain.global_years:.1f}, left minus right "
            f"{bench.left_minus_right(plain):+.1f} y, thickness {np.nanmean(plain.features.thickness_mm):.3f} mm",
            flush=True,
        )
        for part in args.parts:
            parts[part](bench, plain, args.data)
    if args.tables:
        write_tables(measured, args.tables)


if __name__ == "__main__":
    main()
