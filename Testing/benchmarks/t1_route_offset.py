"""The default offset of the built-in T1 route: measured on the heads at hand, shrunken, shown with what it does.

    python Testing/benchmarks/t1_route_offset.py CASES [--install]

CASES is the folder that ``case_benchmark.py heads CASES`` filled; its cases without a lesion are used. For sub-0001 the
route is compared with that person's own FreeSurfer thickness; for sub-0002 with what the norms expect at her age and
sex. The offset is the best linear prediction with the norms' own scanner covariance as prior (age.calibration), as for
any scanner: two heads move it little. Each head is also predicted with the offset of the other one alone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from real_heads import RealHead, real_heads
from RegionalBrainAgeLib.age.model.brain_age_model import DEFAULT_MODEL, BrainAgeModel, load_model
from RegionalBrainAgeLib.age.model.calibration import Calibration, expected_offset, write_calibration
from RegionalBrainAgeLib.age.model.model_folder import DEFAULT_OFFSET_FILE, add_file
from RegionalBrainAgeLib.anatomy.parcels import ParcelFeatures
from RegionalBrainAgeLib.cortex.freesurfer import read_subject
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.files.words import number_of
from RegionalBrainAgeLib.resources import shipped
from shared_folder import data_folder


def features_of(case_folder: Path) -> ParcelFeatures:
    """Parcel features as a case left them."""
    rows = read_table(case_folder / f"{case_folder.name}_parcels.tsv")
    columns = {name: np.array([number_of(row[name]) for row in rows]) for name in ("thickness_mm", "lesioned_fraction")}
    voxels = np.array([int(row["voxels"]) for row in rows])
    return ParcelFeatures(tuple(row["parcel"] for row in rows), *columns.values(), voxels)


def residual(model: BrainAgeModel, route: ParcelFeatures, head: RealHead, own: ParcelFeatures | None) -> np.ndarray:
    """Standardised difference of the route from FreeSurfer's own thickness, or else from the norms; shape (148,)."""
    norms = model.folds[-1].norms
    measured = norms.standardise(route.thickness_mm[None])
    if own is not None:
        return (measured - norms.standardise(own.thickness_mm[None]))[0]
    return norms.residuals(measured, np.array([head.age_years]), np.array([float(head.sex == "M")]))[0]


def offset_from(model: BrainAgeModel, residuals: list[np.ndarray]) -> Calibration:
    norms = model.folds[-1].norms
    offset = expected_offset(norms, np.array(residuals))
    # The offset is the pipeline's; of the scanner nothing is known, hence an uncertainty of 1.
    return Calibration("default offset", len(residuals), offset, 1.0, model.name, model.norms_sha256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--install", action="store_true", help="put it into the shipped model folder")
    args = parser.parse_args()
    model, data = load_model(), data_folder()
    folders = {name: args.cases / f"sub-{name.removeprefix('sub-')}_none" for name in real_heads(data)}
    heads = {name: head for name, head in real_heads(data).items() if folders[name].exists()}
    routes = {name: features_of(folders[name]) for name in heads}
    own = {"sub-0001": read_subject(data / "heads" / "freesurfer" / "sub-0001")}
    known = [name for name, head in heads.items() if head.age_known]
    residuals = {name: residual(model, routes[name], heads[name], own.get(name)) for name in known}
    print(f"{'':44}median corrected PAD, years, with the offset of")
    print(f"{'head':<12}{'mean mm':>9}{'route minus':>14}{'mean SD':>9}{'none':>10}{'the other':>12}{'both':>8}")
    everything = offset_from(model, list(residuals.values()))
    for name, head in heads.items():
        others = [residuals[other] for other in known if other != name]
        states = [None, offset_from(model, others) if others else None, everything]
        pads = [
            np.nanmedian(model.predict(routes[name], head.age_years, head.sex, state).pad_corrected_years)
            for state in states
        ]
        against = ("FreeSurfer" if name in own else "norms") if name in known else "age unknown"
        shift = np.nanmean(residuals[name]) if name in known else np.nan
        print(
            f"{name:<12}{np.nanmean(routes[name].thickness_mm):9.2f}{against:>14}{shift:9.2f}"
            f"{pads[0]:10.1f}{pads[1]:12.1f}{pads[2]:8.1f}"
        )
    raw = np.nanmean(list(residuals.values()))
    print(f"mean offset kept after shrinking: {everything.offset.mean():.2f} SD of {raw:.2f}")
    if args.install:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / DEFAULT_OFFSET_FILE
            write_calibration(everything, path)
            add_file(shipped("Models", DEFAULT_MODEL), DEFAULT_OFFSET_FILE, path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
