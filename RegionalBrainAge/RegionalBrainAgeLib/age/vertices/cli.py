"""Command ``vertices``, and ``train`` and ``evaluate`` with ``--vertices``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...progress import LOG, progress_lines

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from .people import VertexPeople
    from .vertex_model import VertexModel


def add_vertices_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the command ``vertices``."""
    vertices = subparsers.add_parser("vertices", help="write surface features for vertex mode from a SUBJECTS_DIR")
    vertices.add_argument("subjects_dir", type=Path, help="SUBJECTS_DIR with surf/?h.sphere.reg, thickness, area, ...")
    vertices.add_argument("participants", type=Path, help="participants.tsv (or .csv): participant_id, age, sex, site")
    vertices.add_argument("--out", type=Path, required=True, help="folder for features.npy and people.csv")
    vertices.set_defaults(func=run_vertices)


def run_vertices(args: argparse.Namespace) -> int:
    """Writes the features of vertex mode."""
    from .subjects import write_vertex_features

    count, skipped = write_vertex_features(args.subjects_dir, args.participants, args.out, progress=progress_lines())
    for line in skipped:
        LOG.warning(line)
    LOG.info(f"{args.out}: {count} people, {len(skipped)} left out")
    return 0


def train_on_vertices(args: argparse.Namespace) -> int:
    """Trains and writes a vertex model.

    Raises
    ------
    InputError : an option that a vertex training does not have, or an input that cannot be used.
    """
    from dataclasses import replace

    from ...anatomy.regions import load_scheme
    from ...files.atomic_folder import replaced_folder
    from ..training.train_model import training_versions
    from .mesh import load_mesh, mesh_regions
    from .people import mesh_of
    from .vertex_files import save_vertex_model
    from .vertex_model import VertexRecipe, train_vertex_model

    _refuse("train", {"--charts": args.charts}, "Vertex mode has no norms that charts could give.")
    people = _people(args)
    changes = {key: getattr(args, key) for key in ("steps", "folds") if getattr(args, key) is not None}
    regions = mesh_regions(load_mesh(mesh_of(people)), load_scheme(args.scheme))
    words = ["regional-brain-age train", args.table.name, "--vertices", args.vertices.name]
    words += [f"--{key} {value}" for key, value in changes.items()]
    words += [f"--seed {args.seed}"] if args.seed else []
    words += [f"--scheme {args.scheme.name}"] if args.scheme else []
    about = {
        "training_data": _training_data(args),
        "command": " ".join([*words, *_left_out(args), "--out", args.out.name]),
        "versions": training_versions(),
    }
    recipe = replace(VertexRecipe(), **changes)
    model = train_vertex_model(people, regions, recipe, args.seed, about, progress_lines())
    with replaced_folder(args.out) as folder:
        save_vertex_model(model, folder)
    LOG.info(f"{args.out}: vertex model of {len(people)} people")
    return 0


def evaluate_on_vertices(args: argparse.Namespace) -> int:
    """Writes ages of people by a vertex model, their errors and figures and, asked for, the model card.

    Raises
    ------
    InputError : an option that vertex mode does not have, or an input that cannot be used.
    """
    from ...files.atomic_folder import check_own, staged_results
    from ...resources import model_folder
    from ..evaluation.evaluate import RESULT_NAMES, write_tables
    from ..evaluation.figures import write_age_figures
    from .vertex_files import load_vertex_model

    _refuse("evaluate", {"--calibration": args.calibration}, "Ages of vertex mode cannot be calibrated to a scanner.")
    _refuse("evaluate", {"--lesions": args.lesions}, "The card of a vertex model measures no damaged brains.")
    check_own(args.out, RESULT_NAMES)
    model = load_vertex_model(model_folder(args.model))
    people = _people(args)
    if args.card:
        _check_training_table(args, model)
    used = model.without_messages() if args.without_messages else model
    ages = used.predict(people, progress_lines())
    predictions, metrics = _tables(model, people, ages)
    with staged_results(args.out, last=RESULT_NAMES) as folder:
        write_tables(predictions, metrics, folder)
        write_age_figures(people.age_years, ages, folder)
    LOG.info(metrics.to_string(index=False))
    known = int(metrics.loc[metrics["measure"] == _KNOWN, "value"].iloc[0])
    if known:
        LOG.info(
            f"{known} of these {len(people)} people are of sites the model was trained on: errors are most likely "
            "smaller than those of new people. --card measures with sites held out."
        )
    if args.card:
        _write_card(args, model, people)
    LOG.info(f"{args.out}: {len(people)} people")
    return 0


_KNOWN = "people of sites the model was trained on"


def _tables(model: VertexModel, people: VertexPeople, ages: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions, one row per person and region, and metrics."""
    import numpy as np
    import pandas as pd

    from ..evaluation.evaluate import measures
    from .held_out import VERTEX_METHOD

    names = model.regions.names
    columns = {
        "person": np.repeat(people.person, len(names)),
        "site": np.repeat(people.site, len(names)),
        "region": np.tile(names, len(people)),
        "age_years": np.repeat(people.age_years, len(names)),
        "brain_age_years": np.round(ages.ravel(), 4),
        "pad_years": np.round((ages - people.age_years[:, None]).ravel(), 4),
    }
    found = measures("regional", ages, people.site, people.age_years)
    found |= {"people": len(people), _KNOWN: int(np.isin(people.site, model.about["sites"]).sum())}
    rows = [(measure, VERTEX_METHOD, value) for measure, value in found.items()]
    return pd.DataFrame(columns), pd.DataFrame(rows, columns=["measure", "method", "value"])


def _write_card(args: argparse.Namespace, model: VertexModel, people: VertexPeople) -> None:
    import numpy as np

    from ...files.atomic_file import write_atomically
    from ...resources import model_folder
    from ..evaluation.figures import site_figure
    from ..model.model_folder import CARD_FILE, VERTEX_FORMAT, add_file
    from .baselines import COMPONENT_RIDGE
    from .card import vertex_card
    from .held_out import VERTEX_METHOD, measure_vertex_model

    folder = model_folder(args.model)
    words = ["regional-brain-age evaluate", folder.name, args.table.name, "--vertices", args.vertices.name, "--card"]
    command = " ".join([*words, *_left_out(args), "--out", args.out.name])
    found = measure_vertex_model(model, people, command, progress_lines())
    shown = (VERTEX_METHOD, COMPONENT_RIDGE)
    error = np.column_stack([found.ages[method].mean(axis=1) - people.age_years for method in shown])
    files = site_figure(people.site, error, (f"{VERTEX_METHOD}, mean of regions", COMPONENT_RIDGE))
    card = vertex_card(folder.name, model, found)
    for name, content in files.items():
        write_atomically(args.out / name, content)
    write_atomically(args.out / CARD_FILE, card)
    if args.install_card:
        for name, content in files.items():
            add_file(folder, name, content, VERTEX_FORMAT)
        add_file(folder, CARD_FILE, card, VERTEX_FORMAT)


def _people(args: argparse.Namespace) -> VertexPeople:
    from ..people import people_kept
    from .people import read_vertex_people

    people = read_vertex_people(args.table, args.vertices)
    return people.take(people_kept(people.dataset, people.site, args.leave_out))


def _training_data(args: argparse.Namespace) -> dict[str, str]:
    """Names of the files, and the table's sum, by which a card knows the people again."""
    import hashlib

    data = {"table": args.table.name, "features": args.vertices.name}
    data["sha256 of the table"] = hashlib.sha256(args.table.read_bytes()).hexdigest()
    return data | ({"left out": ", ".join(sorted(args.leave_out))} if args.leave_out else {})


def _left_out(args: argparse.Namespace) -> list[str]:
    return ["--leave-out", *args.leave_out] if args.leave_out else []


def _check_training_table(args: argparse.Namespace, model: VertexModel) -> None:
    from ...errors import InputError

    given, trained = _training_data(args), model.about["training_data"]
    kept = ("sha256 of the table", "left out")
    if any(given.get(key) != trained.get(key) for key in kept):
        told = f" without {trained['left out']}" if "left out" in trained else ""
        raise InputError(
            f"The model was trained on another table or selection than {args.table}.",
            f"A card is measured on the people trained on: give {trained['table']} as it was{told}.",
        )


def _refuse(command: str, options: dict[str, object], why: str) -> None:
    """InputError for an option of the other kind of model."""
    from ...errors import InputError

    for option, value in options.items():
        if value is not None:
            raise InputError(f"{command} with --vertices takes no {option}.", why)
