"""Measures the shipped model on the given real people, beside its rivals, and prints the model card.

    python Testing/benchmarks/model_benchmark.py [--data ../shared/data] [--model FOLDER] [--rival-steps 1200]

Baselines and the network without message passing are trained in the same run. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from RegionalBrainAgeLib.age.evaluation.card import model_card
from RegionalBrainAgeLib.age.evaluation.measure_for_card import examine
from RegionalBrainAgeLib.age.model.brain_age_model import load_model
from RegionalBrainAgeLib.age.model.graph import project_lesions
from RegionalBrainAgeLib.age.norms.norms import read_charts
from RegionalBrainAgeLib.age.people import read_people
from RegionalBrainAgeLib.age.training.train_model import Sources

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--rival-steps", type=int, default=1200)
    args = parser.parse_args()
    start = time.perf_counter()
    normative = args.data / "normative"
    sources = Sources(
        read_people(normative / "thickness_destrieux.csv"),
        read_charts(normative / "charts_destrieux.csv"),
        project_lesions(args.data / "lesions" / "soop"),
    )

    def tell(what: str, fraction: float) -> None:
        print(f"{time.perf_counter() - start:6.0f} s  {100 * fraction:3.0f} %  {what}", file=sys.stderr, flush=True)

    model = load_model(args.model)
    command = "python Testing/benchmarks/model_benchmark.py"
    print(model_card(model, examine(model, sources, command, args.rival_steps, tell)))


if __name__ == "__main__":
    main()
