"""Commands ``train``, ``evaluate``, ``table`` and ``vertices``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..progress import LOG, progress_lines

if TYPE_CHECKING:
    from .people import People


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Adds the commands of this package."""
    train = subparsers.add_parser("train", help="train a brain-age model on a table of healthy people")
    train.add_argument("table", type=Path, help="CSV: person, site, age, sex, 148 thicknesses (mm), volumes (mm3)")
    train.add_argument("--out", type=Path, required=True, help="model folder to write")
    train.add_argument(
        "--charts", type=Path, nargs="+", help="lifespan charts (CSV files); without them norms are fitted to the table"
    )
    train.add_argument(
        "--leave-out", nargs="+", default=[], metavar="NAME", help="data sets or sites of the table not to train on"
    )
    train.add_argument("--scheme", type=Path, help="region scheme (TSV); default: the nine networks")
    train.add_argument("--seed", type=int, default=0, help="of the draws by which errors are measured (default 0)")
    train.add_argument("--steps", type=int, help="steps per network (default: the recipe of the shipped model)")
    train.add_argument("--folds", type=int, help="groups of sites held out in turn (default 5)")
    train.add_argument(
        "--vertices", type=Path, help="vertex mode: .npy (people, vertices, features); see docs/vertices.md"
    )
    train.add_argument("--overwrite", action="store_true", help="replace an existing model folder")
    train.set_defaults(func=run_train)

    evaluate = subparsers.add_parser("evaluate", help="measure a model on a table of healthy people, beside baselines")
    evaluate.add_argument("model", type=Path, help="model folder, or 'default' for the shipped one")
    evaluate.add_argument("table", type=Path, help="table, format as for train; an empty cell is a missing feature")
    evaluate.add_argument("--calibration", type=Path, help="file made by calibrate for the scanner of this table")
    evaluate.add_argument("--out", type=Path, required=True, help="folder for predictions.csv, metrics.tsv and figures")
    evaluate.add_argument(
        "--leave-out", nargs="+", default=[], metavar="NAME", help="data sets or sites not to judge by"
    )
    evaluate.add_argument(
        "--without-messages", action="store_true", help="switch every message off, the same nodes in view"
    )
    evaluate.add_argument("--vertices", type=Path, help="vertex mode: features of the table's people (.npy)")
    evaluate.add_argument("--card", action="store_true", help="full measurement on the training table: MODEL_CARD.md")
    evaluate.add_argument("--install-card", action="store_true", help="with --card: put the card into the model folder")
    evaluate.add_argument("--charts", type=Path, nargs="+", help="with --card: the charts the model was trained with")
    evaluate.add_argument("--lesions", type=Path, help="with --card: folder of lesion masks in MNI space")
    evaluate.set_defaults(func=run_evaluate)

    table = subparsers.add_parser("table", help="write the table of people that train, evaluate and calibrate read")
    table.add_argument("subjects_dir", type=Path, help="SUBJECTS_DIR of FreeSurfer or FastSurfer")
    table.add_argument("participants", type=Path, help="participants.tsv (or .csv): participant_id, age, sex, site")
    table.add_argument("--out", type=Path, required=True, help="CSV to write")
    table.set_defaults(func=run_table)

    vertices = subparsers.add_parser("vertices", help="write surface features for vertex mode from a SUBJECTS_DIR")
    vertices.add_argument("subjects_dir", type=Path, help="SUBJECTS_DIR with surf/?h.sphere.reg, thickness, area, ...")
    vertices.add_argument("participants", type=Path, help="participants.tsv (or .csv): participant_id, age, sex, site")
    vertices.add_argument("--out", type=Path, required=True, help="folder for features.npy and people.csv")
    vertices.set_defaults(func=run_vertices)


def run_train(args: argparse.Namespace) -> int:
    """Trains and writes a model folder."""
    from dataclasses import replace

    import torch
    from threadpoolctl import threadpool_limits

    from ..anatomy.regions import load_scheme
    from ..files.atomic_folder import check_free, replaced_folder
    from .model.model_files import save_model
    from .norms.charts import read_charts
    from .people_table import read_people
    from .training.train_model import Sources, describe_file, train_model
    from .training.train_network import Recipe

    check_free(args.out, args.overwrite)
    if args.vertices:
        return _train_on_vertices(args)
    changes = {key: getattr(args, key) for key in ("steps", "folds") if getattr(args, key) is not None}
    people = _without(read_people(args.table, for_training=True), args.leave_out)
    data: dict[str, object] = {"table": describe_file(args.table)}
    if args.leave_out:
        data["left_out"] = ", ".join(args.leave_out)
    charts = read_charts(args.charts) if args.charts else None
    if charts is not None:
        data |= {"charts": ", ".join(map(describe_file, args.charts)), "chart_sites": len(charts.sites)}
    # One thread: sums are then taken in one order, and the same files give the same model whatever else runs.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        model = train_model(
            Sources(people, charts),
            load_scheme(args.scheme),
            replace(Recipe(), **changes),
            args.out.name,
            data,
            args.seed,
            progress=progress_lines(),
        )
    with replaced_folder(args.out) as folder:
        save_model(model, folder)
    LOG.info(f"{args.out}: model of {len(people)} people")
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Writes predictions, metrics, figures and, asked for, the model card."""
    from ..files.atomic_folder import staged_results
    from .evaluation.evaluate import METRICS_NAME, evaluate, write_evaluation
    from .evaluation.figures import write_figures
    from .model.calibration import read_calibration
    from .model.model_files import load_model
    from .people_table import read_people

    if args.vertices:
        return _evaluate_on_vertices(args)
    model = load_model(args.model)
    people = _without(read_people(args.table), args.leave_out)
    calibration = read_calibration(args.calibration) if args.calibration else None
    used = model.without_messages() if args.without_messages else model
    evaluation = evaluate(used, people, calibration)
    with staged_results(args.out, last=(METRICS_NAME,), stale=("figures/*.svg",)) as folder:
        write_evaluation(evaluation, folder)
        write_figures(evaluation, people, folder)
    LOG.info(evaluation.metrics.to_string(index=False))
    if args.card:
        _write_card(args, people)
    LOG.info(f"{args.out}: {len(people)} people")
    return 0


def _write_card(args: argparse.Namespace, people: People) -> None:
    from ..files.atomic_file import write_atomically
    from ..resources import model_folder
    from .evaluation.card import model_card
    from .evaluation.figures import card_figures
    from .evaluation.measure_for_card import measure_for_card
    from .model.graph import project_lesions
    from .model.model_files import load_model
    from .model.model_folder import CARD_FILE, add_file
    from .norms.charts import read_charts
    from .training.train_model import Sources

    model = load_model(args.model)
    charts = read_charts(args.charts) if args.charts else None
    holes = project_lesions(args.lesions) if args.lesions else None
    words = ["regional-brain-age evaluate", model.name, args.table.name, "--card"]
    words += ["--leave-out", *args.leave_out] if args.leave_out else []
    words += ["--charts", *(path.name for path in args.charts)] if args.charts else []
    words += ["--lesions", args.lesions.name] if args.lesions else []
    found = measure_for_card(
        model, Sources(people, charts, holes), " ".join([*words, "--out", args.out.name]), progress_lines()
    )
    card = model_card(model, found)
    write_atomically(args.out / CARD_FILE, card)
    figures = card_figures(found)
    for name, content in figures.items():
        (args.out / name).write_bytes(content)
    if args.install_card:
        folder = model_folder(args.model)
        for name, content in figures.items():
            add_file(folder, name, content)
        add_file(folder, CARD_FILE, card)


def run_table(args: argparse.Namespace) -> int:
    """Writes a table of people from FreeSurfer folders."""
    from .subjects import read_subjects, write_people

    people, skipped = read_subjects(args.subjects_dir, args.participants, progress=progress_lines())
    write_people(people, args.out)
    for line in skipped:
        LOG.info(line)
    LOG.info(f"{args.out}: {len(people)} people, {len(skipped)} left out")
    return 0


def run_vertices(args: argparse.Namespace) -> int:
    """Writes the features of vertex mode."""
    from .vertices.subjects import write_vertex_features

    count, skipped = write_vertex_features(args.subjects_dir, args.participants, args.out, progress=progress_lines())
    for line in skipped:
        LOG.info(line)
    LOG.info(f"{args.out}: {count} people, {len(skipped)} left out")
    return 0


def _train_on_vertices(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..anatomy.regions import load_scheme
    from ..files.atomic_folder import replaced_folder
    from .vertices.mesh import read_vertex_people
    from .vertices.vertex_model import VertexRecipe, save_vertex_model, train_vertex_model

    people = read_vertex_people(args.table, args.vertices)
    recipe = VertexRecipe() if args.steps is None else replace(VertexRecipe(), steps=args.steps)
    model = train_vertex_model(people, load_scheme(args.scheme), recipe, args.seed, progress=progress_lines())
    with replaced_folder(args.out) as folder:
        save_vertex_model(model, folder)
    LOG.info(f"{args.out}: vertex model of {len(people)} people")
    return 0


def _evaluate_on_vertices(args: argparse.Namespace) -> int:
    import numpy as np
    import pandas as pd

    from ..anatomy.regions import load_scheme
    from ..files.atomic_folder import staged_results
    from .evaluation.evaluate import METRICS_NAME, write_tables
    from .evaluation.metrics import balanced_mae_years, mean_correlation, mean_slope
    from .vertices.mesh import read_vertex_people
    from .vertices.vertex_model import load_vertex_model

    model = load_vertex_model(args.model, load_scheme())
    people = read_vertex_people(args.table, args.vertices)
    ages = model.predict(people)
    pad = ages - people.age_years[:, None]
    regions = len(model.region_names)
    predictions = pd.DataFrame(
        {
            "person": np.repeat(people.person, regions),
            "site": np.repeat(people.site, regions),
            "region": np.tile(model.region_names, len(people)),
            "age_years": np.repeat(people.age_years, regions),
            "brain_age_years": np.round(ages.ravel(), 4),
            "pad_years": np.round(pad.ravel(), 4),
        }
    )
    measures = {
        "MAE 40-90, age-balanced, years": balanced_mae_years(pad, people.age_years),
        "correlation with age, all people": mean_correlation(ages, people.age_years),
        "slope of predicted on true age": mean_slope(ages, people.age_years),
    }
    rows = [(measure, "vertex network", value) for measure, value in measures.items()]
    frame = pd.DataFrame(rows, columns=["measure", "method", "value"])
    with staged_results(args.out, last=(METRICS_NAME,)) as folder:
        write_tables(predictions, frame, folder)
    LOG.info(frame.to_string(index=False))
    return 0


def _without(people: People, names: list[str]) -> People:
    """The people not of these data sets or sites."""
    import numpy as np

    from ..errors import InputError

    known = {*people.dataset, *people.site}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(
            f"The table has no data set or site named {unknown[0]}.", "Write the names as the table has them."
        )
    return people.take(~(np.isin(people.dataset, names) | np.isin(people.site, names)))
