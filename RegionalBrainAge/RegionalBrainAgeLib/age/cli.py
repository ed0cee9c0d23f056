"""Commands ``train``, ``evaluate`` and ``table``; those of vertex mode are in `vertices.cli`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..progress import LOG, progress_lines
from .vertices.cli import add_vertices_parser, evaluate_on_vertices, train_on_vertices

if TYPE_CHECKING:
    from .model.brain_age_model import BrainAgeModel
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
    train.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the draws by which errors are measured; with --vertices, of the training (default 0)",
    )
    train.add_argument(
        "--steps", type=int, help="steps per network (default: 600, as the shipped model; with --vertices 2000)"
    )
    train.add_argument(
        "--folds", type=int, help="groups of sites held out in turn (default 5); with --vertices, by the card"
    )
    train.add_argument("--vertices", type=Path, help="vertex mode: features.npy, as the command vertices writes it")
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
    evaluate.add_argument("--lesions", type=Path, help="with --card: folder of lesion masks in MNI space")
    evaluate.set_defaults(func=run_evaluate)

    table = subparsers.add_parser("table", help="write the table of people that train, evaluate and calibrate read")
    table.add_argument("subjects_dir", type=Path, help="SUBJECTS_DIR of FreeSurfer or FastSurfer")
    table.add_argument("participants", type=Path, help="participants.tsv (or .csv): participant_id, age, sex, site")
    table.add_argument("--out", type=Path, required=True, help="CSV to write")
    table.set_defaults(func=run_table)

    add_vertices_parser(subparsers)


def run_train(args: argparse.Namespace) -> int:
    """Trains and writes a model folder."""
    from dataclasses import replace

    import torch
    from threadpoolctl import threadpool_limits

    from ..anatomy.regions import load_scheme
    from ..files.atomic_folder import check_free, replaced_folder
    from .model.model_files import save_model
    from .norms.charts import read_charts
    from .training.train_model import Sources, train_model
    from .training.train_network import Recipe

    check_free(args.out, args.overwrite)
    if args.vertices:
        return train_on_vertices(args)
    changes = {key: getattr(args, key) for key in ("steps", "folds") if getattr(args, key) is not None}
    people = _people(args, for_training=True)
    data: dict[str, object] = {"table": args.table.name}
    if args.leave_out:
        data["left_out"] = ", ".join(args.leave_out)
    charts = read_charts(args.charts) if args.charts else None
    if charts is not None:
        data |= {"charts": ", ".join(path.name for path in args.charts), "chart_sites": len(charts.sites)}
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
    from ..errors import InputError
    from ..files.atomic_folder import check_own, staged_results
    from .evaluation.evaluate import RESULT_NAMES, evaluate, write_evaluation
    from .evaluation.figures import write_figures
    from .model.calibration import read_calibration
    from .model.model_files import load_model

    of_card = {"--install-card": args.install_card, "--lesions": args.lesions}
    alone = next((option for option, value in of_card.items() if value and not args.card), None)
    if alone is not None:
        raise InputError(f"{alone} belongs to --card, which is not there.", "Add --card or leave it out.")
    if args.vertices:
        return evaluate_on_vertices(args)
    check_own(args.out, RESULT_NAMES)
    model = load_model(args.model)
    people = _people(args)
    calibration = read_calibration(args.calibration) if args.calibration else None
    used = model.without_messages() if args.without_messages else model
    evaluation = evaluate(used, people, calibration)
    with staged_results(args.out, last=RESULT_NAMES) as folder:
        write_evaluation(evaluation, folder)
        write_figures(evaluation, people, folder)
    LOG.info(evaluation.metrics.to_string(index=False))
    if args.card:
        _write_card(args, model, people)
    LOG.info(f"{args.out}: {len(people)} people")
    return 0


def _write_card(args: argparse.Namespace, model: BrainAgeModel, people: People) -> None:
    from ..files.atomic_file import write_atomically
    from ..resources import model_folder
    from .evaluation.card import model_card
    from .evaluation.figures import card_figures
    from .evaluation.measure_for_card import measure_for_card
    from .holes import project_lesions
    from .model.model_folder import CARD_FILE, add_file

    holes = project_lesions(args.lesions) if args.lesions else None
    words = ["regional-brain-age evaluate", model.name, args.table.name, "--card"]
    words += ["--leave-out", *args.leave_out] if args.leave_out else []
    words += ["--lesions", args.lesions.name] if args.lesions else []
    found = measure_for_card(model, people, holes, " ".join([*words, "--out", args.out.name]), progress_lines())
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
    from ..files.input_file import refuse_replacing
    from .subjects import read_subjects, write_people

    refuse_replacing(args.out, args.participants)
    people, skipped = read_subjects(args.subjects_dir, args.participants, progress=progress_lines())
    write_people(people, args.out)
    for line in skipped:
        LOG.warning(line)
    LOG.info(f"{args.out}: {len(people)} people, {len(skipped)} left out")
    return 0


def _people(args: argparse.Namespace, for_training: bool = False) -> People:
    """The table's people but those of the data sets and sites to leave out."""
    from .people import people_kept
    from .people_table import read_people

    people = read_people(args.table, for_training=for_training)
    return people.take(people_kept(people.dataset, people.site, args.leave_out))
