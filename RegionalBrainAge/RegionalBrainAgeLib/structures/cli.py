"""Command ``train-structures``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Adds the commands of this package."""
    train = subparsers.add_parser(
        "train-structures", help="train the network that measures volumes of structures on heads with label maps"
    )
    train.add_argument("heads", type=Path, help="TSV: id, t1, labels (MUSE label map on the T1's grid), paths relative")
    train.add_argument("--out", type=Path, required=True, help="model folder to write")
    train.add_argument("--data", default="", help="origin and terms of the heads and label maps, for the card")
    train.add_argument("--folds", type=int, default=2, help="folds to measure agreement by first; 0: none (default 2)")
    train.add_argument("--predictions", type=Path, help="CSV of volumes and references of every head held out")
    train.add_argument("--steps", type=int, help="half-brains each network sees (default: as shipped)")
    train.add_argument("--seed", type=int, default=0, help="the same seed gives the same weights (default 0)")
    train.add_argument("--overwrite", action="store_true", help="replace an existing model folder")
    train.set_defaults(func=run_train)


def run_train(args: argparse.Namespace) -> int:
    """Cross-validates, trains on all heads and writes the model folder."""
    from dataclasses import replace

    import torch
    from threadpoolctl import threadpool_limits

    from ..errors import InputError
    from ..files.atomic_file import write_atomically
    from ..files.atomic_folder import check_free, replaced_folder
    from .model import UNCORRECTED, save_model
    from .training.card import model_card
    from .training.evaluation import cross_validate, gray_line, summary
    from .training.examples import read_examples
    from .training.train import TrainingSettings, train_model

    check_free(args.out, args.overwrite)
    if args.folds == 1 or args.folds < 0:
        raise InputError(f"--folds {args.folds} is not possible.", "Give 0 for none, or 2 or more.")
    settings = TrainingSettings(seed=args.seed)
    if args.steps:
        settings = replace(settings, steps=dict.fromkeys(settings.steps, args.steps))
    # One thread: sums are then taken in one order, and the same seed gives the same weights whatever else runs.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        examples = read_examples(args.heads, 1, _tell)
        agreement, line = None, UNCORRECTED
        if args.folds:
            predictions = cross_validate(examples, settings, args.folds, _tell)
            agreement, line = summary(predictions), gray_line(predictions)
            if args.predictions:
                write_atomically(args.predictions, predictions.to_csv(index=False))
        model = train_model(examples, settings, _tell)
    about = {"name": args.out.name, "heads": len(examples), "steps": dict(settings.steps), "seed": settings.seed}
    judged = f"Every head by networks that did not see it, in {args.folds} folds."
    card = model_card(args.out.name, len(examples), args.data, settings, judged, agreement)
    with replaced_folder(args.out) as folder:
        save_model(folder, replace(model, about={**about, "data": args.data}, gray_line=line))
        write_atomically(folder / "MODEL_CARD.md", card)
    _tell(f"{args.out}: structure model of {len(examples)} heads")
    return 0


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
