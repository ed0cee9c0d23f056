"""Commands ``train``, ``evaluate`` and ``calibrate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..progress import LOG, progress_lines


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
    train.add_argument("--vertices", type=Path, help="vertex mode: .npy (people, vertices, features); see vertex.py")
    train.add_argument("--overwrite", action="store_true", help="replace an existing model folder")
    train.set_defaults(func=run_train)
    evaluate = subparsers.add_parser("evaluate", help="measure a model on a table of healthy people, beside baselines")
    evaluate.add_argument("model", type=Path, help="model folder, or 'default' for the shipped one")
    evaluate.add_argument("table", type=Path, help="table, format as for train; an empty thickness is a missing parcel")
    evaluate.add_argument("--calibration", type=Path, help="file made by calibrate for the scanner of this table")
    evaluate.add_argument("--out", type=Path, required=True, help="folder for predictions.csv, metrics.tsv and figures")
    evaluate.add_argument("--vertices", type=Path, help="vertex mode: features of the table's people (.npy)")
    evaluate.add_argument("--card", action="store_true", help="full examination on the training table: MODEL_CARD.md")
    evaluate.add_argument("--install-card", action="store_true", help="with --card: put the card into the model folder")
    evaluate.add_argument("--charts", type=Path, help="with --card: the charts the model was trained with")
    evaluate.add_argument("--lesions", type=Path, help="with --card: the lesion masks the model was trained with")
    evaluate.add_argument("--rival-steps", type=int, default=1200, help="with --card: steps of the rival networks")
    evaluate.set_defaults(func=run_evaluate)
    calibrate = subparsers.add_parser("calibrate", help="calibrate a model to a scanner from healthy controls")
    calibrate.add_argument("model", type=Path, help="model folder, or 'default' for the shipped one")
    calibrate.add_argument("controls", type=Path, help="table of healthy people of one scanner, format as for train")
    calibrate.add_argument("--out", type=Path, required=True, help="calibration file to write (JSON)")
    calibrate.set_defaults(func=run_calibrate)


def run_train(args: argparse.Namespace) -> int:
    """Trains and writes a model folder."""
    from dataclasses import replace

    import torch
    from threadpoolctl import threadpool_limits

    from ..anatomy.regions import load_scheme
    from ..errors import InputError
    from .model.brain_age_model import save_model
    from .model.graph import project_lesions
    from .norms.norms import read_charts
    from .people import read_people
    from .training.train_model import Sources, describe_file, train_model
    from .training.train_network import Recipe

    if args.out.exists() and any(args.out.iterdir()) and not args.overwrite:
        raise InputError(f"The folder {args.out} is not empty.", "Choose another --out or add --overwrite.")
    if args.vertices:
        return _train_on_vertices(args)
    changes = {key: getattr(args, key) for key in ("steps", "seeds", "folds") if getattr(args, key) is not None}
    # Charts know thickness only.
    people = read_people(args.table, for_training=True, features=("thickness",) if args.charts else None)
    charts = read_charts(args.charts) if args.charts else None
    holes = project_lesions(args.lesions) if args.lesions else None
    data = {"table": describe_file(args.table)}
    if args.charts:
        data |= {"charts": describe_file(args.charts), "chart_sites": len(charts.sites)}
    if args.lesions:
        data |= {"lesions": describe_file(args.lesions), "lesion_masks_on_cortex": len(holes)}
    # One thread: sums are then taken in one order, and the same seed gives the same model whatever else runs.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        model = train_model(
            Sources(people, charts, holes),
            load_scheme(args.scheme),
            replace(Recipe(), **changes),
            args.seed,
            args.out.name,
            data,
            progress=progress_lines(),
        )
    save_model(model, args.out)
    LOG.info(f"{args.out}: model of {len(people)} people")
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Writes predictions, metrics, figures and, asked for, the model card."""
    from ..files.atomic_file import write_atomically
    from ..resources import shipped
    from .evaluation.card import model_card
    from .evaluation.evaluate import evaluate, write_evaluation
    from .evaluation.figures import write_figures
    from .evaluation.measure_for_card import examine
    from .model.brain_age_model import DEFAULT_MODEL, load_model
    from .model.calibration import read_calibration
    from .model.graph import project_lesions
    from .model.model_folder import add_file
    from .norms.norms import read_charts
    from .people import read_people
    from .training.train_model import Sources

    if args.vertices:
        return _evaluate_on_vertices(args)
    model = load_model(_folder(args.model))
    people = read_people(args.table, features=model.features)
    calibration = read_calibration(args.calibration) if args.calibration else None
    evaluation = evaluate(model, people, calibration)
    write_evaluation(evaluation, args.out)
    write_figures(evaluation, people, args.out)
    LOG.info(evaluation.metrics.to_string(index=False))
    if args.card:
        charts = read_charts(args.charts) if args.charts else None
        holes = project_lesions(args.lesions) if args.lesions else None
        command = f"regional-brain-age evaluate {model.name} {args.table.name} --card"
        command += " --install-card" if args.install_card else ""
        command += f" --charts {args.charts.name}" if args.charts else ""
        command += f" --lesions {args.lesions.name}" if args.lesions else ""
        command += f" --rival-steps {args.rival_steps} --out {args.out.name}"
        found = examine(model, Sources(people, charts, holes), command, args.rival_steps, progress_lines())
        card = model_card(model, found)
        write_atomically(args.out / "MODEL_CARD.md", card)
        if args.install_card:
            add_file(_folder(args.model) or shipped("Models", DEFAULT_MODEL), "MODEL_CARD.md", card)
    LOG.info(f"{args.out}: {len(people)} people")
    return 0


def _train_on_vertices(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..anatomy.regions import load_scheme
    from .vertices.mesh import read_vertex_people
    from .vertices.vertex_model import VertexRecipe, save_vertex_model, train_vertex_model

    people = read_vertex_people(args.table, args.vertices)
    recipe = VertexRecipe() if args.steps is None else replace(VertexRecipe(), steps=args.steps)
    model = train_vertex_model(people, load_scheme(args.scheme), recipe, args.seed, progress=progress_lines())
    save_vertex_model(model, args.out)
    LOG.info(f"{args.out}: vertex model of {len(people)} people")
    return 0


def _evaluate_on_vertices(args: argparse.Namespace) -> int:
    import numpy as np
    import pandas as pd

    from ..anatomy.regions import load_scheme
    from .evaluation.metrics import balanced_mae_years, mean_correlation, mean_slope
    from .vertices.mesh import read_vertex_people
    from .vertices.vertex_model import load_vertex_model

    model = load_vertex_model(args.model, load_scheme())
    people = read_vertex_people(args.table, args.vertices)
    ages = model.predict(people)
    pad = ages - people.age_years[:, None]
    regions = len(model.region_names)
    args.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(
        {
            "person": np.repeat(people.person, regions),
            "site": np.repeat(people.site, regions),
            "region": np.tile(model.region_names, len(people)),
            "age_years": np.repeat(people.age_years, regions),
            "brain_age_years": np.round(ages.ravel(), 4),
            "pad_years": np.round(pad.ravel(), 4),
        }
    ).to_csv(args.out / "predictions.csv", index=False)
    measures = {
        "MAE 40-90, age-balanced, years": balanced_mae_years(pad, people.age_years),
        "correlation with age, all people": mean_correlation(ages, people.age_years),
        "slope of predicted on true age": mean_slope(ages, people.age_years),
    }
    rows = [(measure, "vertex network", value) for measure, value in measures.items()]
    frame = pd.DataFrame(rows, columns=["measure", "method", "value"])
    frame.to_csv(args.out / "metrics.tsv", sep="\t", index=False, float_format="%.4f")
    LOG.info(frame.to_string(index=False))
    return 0


def _folder(model: Path) -> Path | None:
    return None if str(model) == "default" else model


def run_calibrate(args: argparse.Namespace) -> int:
    """Writes a calibration file."""
    from .model.brain_age_model import load_model
    from .model.calibration import calibrate, write_calibration
    from .people import read_people

    model = load_model(_folder(args.model))
    controls = read_people(args.controls, features=model.features)
    calibration = calibrate(model.folds[-1].norms, controls, model.name, model.norms_sha256)
    write_calibration(calibration, args.out)
    LOG.info(f"{args.out}: {len(controls)} controls. {calibration.caution}".strip())
    return 0
