"""How much do parcels and ages change when the same head is scanned again? Writes the library's rescan differences.

    python Testing/benchmarks/batch_rescans.py DATA OUT [--heads NAME ...] [--write]

Every real head in reach is "scanned again" twice: turned by 3 degrees about each axis and shifted by 2 mm, resampled,
shaded by a smooth field of up to 20 %, with 3 % noise (of the white matter's mean), with different turns, fields and
noise each time. Both simulated rescans go through the whole T1 route as cases of one batch; what is kept is the
difference in thickness of each parcel between the two, which is the noise of repeating, not a fault common to both.
Real rescans also differ by scanner drift, motion and physiology: these differences are a lower bound.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from real_heads import real_heads
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.batch.process_many import process_cohort
from RegionalBrainAgeLib.batch.run.options import BatchOptions
from RegionalBrainAgeLib.files.images import read_t1, write_image
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.files.words import number_of
from RegionalBrainAgeLib.geometry.image import Image, to_canonical
from scipy import ndimage

TURN_DEGREES, SHIFT_MM, SHADE_FRACTION, NOISE_FRACTION = 3.0, 2.0, 0.2, 0.03


def scan_again(t1: Image, seed: int) -> Image:
    """The head in another position, with another shading and other noise, on the same grid."""
    chance = np.random.default_rng(seed)
    spacing = t1.spacing_mm
    angles = np.radians(chance.choice([-TURN_DEGREES, TURN_DEGREES], 3))
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        one = np.eye(3)
        a, b = [i for i in range(3) if i != axis]
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turn = one @ turn
    matrix = np.diag(1 / spacing) @ turn @ np.diag(spacing)
    centre = (np.array(t1.shape) - 1) / 2
    shift = chance.choice([-SHIFT_MM, SHIFT_MM], 3) / spacing
    moved = ndimage.affine_transform(t1.array.astype(np.float32), matrix, centre - matrix @ centre + shift, order=3)
    coarse = ndimage.zoom(
        chance.uniform(-1, 1, (3, 3, 3)), np.array(t1.shape) / 3, order=3, grid_mode=True, mode="nearest"
    )
    coarse *= SHADE_FRACTION / np.abs(coarse).max()
    bright = np.percentile(moved[moved > moved.mean()], 75)
    noise = chance.normal(0, NOISE_FRACTION * bright, (2, *t1.shape))
    return t1.like(np.hypot(np.clip(moved, 0, None) * (1 + coarse) + noise[0], noise[1]).astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--heads", nargs="+", help="only these")
    parser.add_argument("--write", action="store_true", help="replace the library's rescan differences")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    heads = {name: head for name, head in real_heads(args.data).items() if args.heads is None or name in args.heads}
    for index, head in enumerate(heads.values()):
        t1 = to_canonical(read_t1(head.t1)[0])
        for scan in (1, 2):
            path = args.out / f"{head.name}_scan{scan}.nii.gz"
            if not path.exists():
                write_image(scan_again(t1, 10 * index + scan), path)
            rows.append([head.name.removeprefix("sub-"), scan, path.name, head.age_years, head.sex, "simulated"])
    with (args.out / "scans.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["case_id", "session", "t1", "age", "sex", "site"], *rows])
    out = args.out / "out"
    summary = process_cohort(args.out / "scans.csv", out, BatchOptions(workers=args.workers, resume=True))
    print(summary.as_text())
    differences, pads = [], []
    for head in heads.values():
        ids = [f"sub-{head.name.removeprefix('sub-')}_ses-{scan}" for scan in (1, 2)]
        if not all((out / name / f"{name}_parcels.tsv").exists() for name in ids):
            print(f"{head.name} is left out: not both scans were completed")
            continue
        first, second = (_column(out / name / f"{name}_parcels.tsv", "thickness_mm") for name in ids)
        differences.append(second - first)
        first, second = (_column(out / name / f"{name}_regions.tsv", "pad_corrected_years") for name in ids)
        pads.append(second - first)
    differences, pads = np.array(differences), np.array(pads)
    print(f"mean absolute difference of a parcel: {np.nanmean(abs(differences)):.3f} mm")
    print(f"SD of a region's corrected PAD within a person: {np.sqrt(np.nanmean(pads**2) / 2):.2f} years")
    if args.write:
        content = {
            "source": (
                f"{len(differences)} healthy heads, each scanned again twice in simulation (turn {TURN_DEGREES:g} deg, "
                f"shift {SHIFT_MM:g} mm, shading {100 * SHADE_FRACTION:g} %, noise {100 * NOISE_FRACTION:g} %), "
                "through the whole T1 route. Real rescans vary more: a lower bound."
            ),
            "parcels": list(PARCEL_NAMES),
            "difference_mm": [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in differences],
        }
        import RegionalBrainAgeLib.batch as package

        target = Path(package.__file__).with_name("rescan_differences.json")
        target.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
        print(f"written: {target}")


def _column(path: Path, name: str) -> np.ndarray:
    return np.array([number_of(row[name]) for row in read_table(path)])


if __name__ == "__main__":
    main()
