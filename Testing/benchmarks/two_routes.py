"""The two routes to a person's thickness compared: this software's T1 route and FreeSurfer's surfaces of the same head.

    python Testing/benchmarks/two_routes.py DATA T1_CASE_FOLDER

T1_CASE_FOLDER is the folder that ``case --t1 DATA/heads/sub-0001_T1w.mgz --age 25.5 --sex M`` left. Prints a Markdown
table: agreement of the 148 parcels, by hemisphere and for large and small parcels, then the 18 corrected PADs of both
routes. The baseline is the mean adult pattern of the normative table: agreement that comes of anatomy all people share.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.age.features import features_of_parcels
from RegionalBrainAgeLib.age.model.model_files import load_model
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, ParcelFeatures
from RegionalBrainAgeLib.cortex.freesurfer import read_subject
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.files.words import number_of

AGE_YEARS, SEX = 25.5, "M"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("case_folder", type=Path)
    args = parser.parse_args()
    surfaces = read_subject(args.data / "heads" / "freesurfer" / "sub-0001")
    rows = read_table(args.case_folder / f"{args.case_folder.name}_parcels.tsv")
    t1_mm = np.array([number_of(row["thickness_mm"]) for row in rows])
    adults = pd.read_csv(args.data / "normative" / "thickness_destrieux.csv")
    mean_adult_mm = adults.loc[adults.age >= 18, list(PARCEL_NAMES)].mean().to_numpy()
    left = np.array([name.startswith("lh_") for name in PARCEL_NAMES])
    large = surfaces.voxels >= np.median(surfaces.voxels)
    everything = np.ones(len(left), bool)
    print("| parcels | n | r with FreeSurfer | offset (mm) | median abs. difference after it (mm) | r of mean adult |")
    print("|---|---|---|---|---|---|")
    groups = {"all": everything, "left": left, "right": ~left, "larger half": large, "smaller half": ~large}
    for name, chosen in groups.items():
        print(f"| {name} | {agreement(t1_mm, surfaces.thickness_mm, mean_adult_mm, chosen)} |")
    model = load_model()
    t1 = ParcelFeatures(PARCEL_NAMES, t1_mm, np.zeros(len(left)), np.ones(len(left), int))
    ages = {
        "FreeSurfer": model.predict(features_of_parcels(surfaces), AGE_YEARS, SEX),
        "T1, as its route model says": model.predict(features_of_parcels(t1, route="T1"), AGE_YEARS, SEX),
        "T1, taken for FreeSurfer": model.predict(features_of_parcels(t1), AGE_YEARS, SEX),
    }
    print("\n| region |", " | ".join(f"PAD, {name} (years)" for name in ages), "|")
    print("|---|" + "---|" * len(ages))
    for index, region in enumerate(model.region_names):
        print(f"| {region} |", " | ".join(f"{a.pad_corrected_years[index]:+.1f}" for a in ages.values()), "|")
    gaps = {name: a.pad_corrected_years - ages["FreeSurfer"].pad_corrected_years for name, a in ages.items()}
    print("| mean difference from FreeSurfer |", " | ".join(f"{np.nanmean(gap):+.1f}" for gap in gaps.values()), "|")


def agreement(t1_mm: np.ndarray, surfaces_mm: np.ndarray, mean_adult_mm: np.ndarray, chosen: np.ndarray) -> str:
    """Cells of a row: number of parcels, r, offset, remaining difference, r of the baseline."""
    chosen = chosen & np.isfinite(t1_mm) & np.isfinite(surfaces_mm)
    a, b = t1_mm[chosen], surfaces_mm[chosen]
    offset = np.mean(a - b)
    rest = np.median(abs(a - b - offset))
    shared = np.corrcoef(mean_adult_mm[chosen], b)[0, 1]
    return f"{chosen.sum()} | {np.corrcoef(a, b)[0, 1]:.2f} | {offset:+.2f} | {rest:.2f} | {shared:.2f}"


if __name__ == "__main__":
    main()
