"""Commands ``train``, ``evaluate`` and ``calibrate``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Adds the commands of this room."""
    train = subparsers.add_parser("train", help="train a brain-age model on a table of healthy people")
    train.add_argument("table", type=Path, help="CSV: person, site, age, sex (F/M) and 148 Destrieux thicknesses in mm")
    train.add_argument("--out", type=Path, required=True, help="model folder to write")
    train.add_argument("--charts", type=Path, help="lifespan charts (CSV); without them norms are fitted to the table")
    train.add_argument("--lesions", type=Path, help="folder of lesion masks in MNI space, for lesion-shaped holes")
    train.add_argument("--scheme", type=Path, help="region scheme (TSV); default: the nine networks")
    train.add_argument("--seed", type=int, default=0, help="the same seed gives the same model (default 0)")
    train.add_argument("--steps", type=int, help="steps per network (default: the recipe of the shipped model)")
    train.add_argument("--seeds", type=int, help="networks per fold (default: the recipe of the shipped model)")
    train.add_argument("--folds", type=int, help="groups of sites held out in turn (default 5)")
    train.add_argument("--overwrite", action="store_true", help="replace an existing model folder")
    train.set_defaults(func=run_train)
    calibrate = subparsers.add_parser("calibrate", help="calibrate a model to a scanner from healthy controls")
    calibrate.add_argument("model", type=Path, help="model folder, or 'default' for the shipped one")
    calibrate.add_argument("controls", type=Path, help="table of healthy people of one scanner, format as for train")
    calibrate.add_argument("--out", type=Path, required=True, help="calibration file to write (JSON)")
    calibrate.set_defaults(func=run_calibrate)


def run_train(args: argparse.Namespace) -> int:
    """Trains and writes a model folder."""
    from dataclasses import replace

    from ..anatomy.regions import load_scheme
    from ..errors import InputError
    from .fit import Sources, describe_file, train_model
    from .graph import project_lesions
    from .model import save_model
    from .normative import read_charts
    from .table import read_people
    from .training import Recipe

    if args.out.exists() and any(args.out.iterdir()) and not args.overwrite:
        raise InputError(f"The folder {args.out} is not empty.", "Choose another --out or add --overwrite.")
    changes = {key: getattr(args, key) for key in ("steps", "seeds", "folds") if getattr(args, key) is not None}
    people = read_people(args.table, for_training=True)
    charts = read_charts(args.charts) if args.charts else None
    holes = project_lesions(args.lesions) if args.lesions else None
    data = {"table": describe_file(args.table)}
    if args.charts:
        data |= {"charts": describe_file(args.charts), "chart_sites": len(charts.sites)}
    if args.lesions:
        data |= {"lesions": describe_file(args.lesions), "lesion_masks_on_cortex": len(holes)}
    model = train_model(
        Sources(people, charts, holes),
        load_scheme(args.scheme),
        replace(Recipe(), **changes),
        args.seed,
        args.out.name,
        data,
        progress=_tell,
    )
    save_model(model, args.out)
    print(f"{args.out}: model of {len(people)} people", file=sys.stderr)
    return 0


def run_calibrate(args: argparse.Namespace) -> int:
    """Writes a calibration file."""
    from .calibration import calibrate, write_calibration
    from .model import load_model
    from .table import read_people

    model = load_model(None if str(args.model) == "default" else args.model)
    controls = read_people(args.controls, features=model.features)
    calibration = calibrate(model.folds[-1].norms, controls, model.name, model.norms_sha256)
    write_calibration(calibration, args.out)
    print(f"{args.out}: {len(controls)} controls. {calibration.caution}".strip(), file=sys.stderr)
    return 0


def _tell(what: str, fraction: float) -> None:
    print(f"{100 * fraction:5.1f} %  {what}", file=sys.stderr, flush=True)
