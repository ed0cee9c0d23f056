"""The command ``cohort``: group analysis of processed cases, or a simulated cohort."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.input_file import parsing, plain_file, read_json
from RegionalBrainAgeLib.progress import LOG, progress_lines

from .data.motor_scales import SCALES
from .data.settings import ENGINES, ERROR_CHOICES

EPILOG = """\
Writes to OUT tables (mixed_models.tsv, loads.tsv, group_differences.tsv, classifiers.tsv, sem_paths.tsv and more, each
with a JSON sidecar that explains every column), figures/, report.html, methods.md, references.bib, analysis.json.
Messages name settings as a settings file does; motor_scale is the option --motor-scale.
With --simulate N, OUT is a CSV file to write: a made-up cohort with the published effects, for teaching and tests.
Exit codes: 0 ok, 1 failure, 2 bad usage or input."""


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Add ``cohort`` to the command line."""
    parser = subparsers.add_parser(
        "cohort",
        help="many processed cases: mixed models, classifiers, structural equations, report",
        description="Group analysis of processed_cases.csv.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``cohort``; those not given keep the value of --settings or the default."""
    parser.add_argument("table", nargs="?", metavar="PROCESSED.csv", help="table written by processing cases")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="output folder (with --simulate: a file)"
    )
    how = parser.add_argument_group("choices (all are stated in the report)")
    how.add_argument("--settings", metavar="JSON", type=Path, help="file of settings; options below override it")
    how.add_argument("--only", metavar="LIST", help="analyses, by comma: mixed,loads,groups,classifiers,sem")
    how.add_argument("--covariates", metavar="LIST", help="of the mixed models, by comma (default: age,sex)")
    how.add_argument("--formula", metavar="TEXT", help="fixed effects of an own mixed model, as 'age * load_cst'")
    how.add_argument("--random", metavar="TEXT", help="its random effects, as '1 + days_post_stroke | site'")
    how.add_argument("--group-covariates", metavar="LIST", help="of the group differences (default: age,sex)")
    how.add_argument("--motor-cut", metavar="X", type=float, help="severe up to this motor outcome (default: 25/66)")
    how.add_argument("--motor", choices=tuple(SCALES), help="scale of column motor: its range and direction are known")
    how.add_argument("--motor-scale", metavar="MAX", type=float, help="highest score of column motor (default: 1)")
    how.add_argument("--min-damaged", metavar="N", type=int, help="damaged cases a tested load needs (default: 10)")
    how.add_argument("--include-uncalibrated", action="store_true", default=None, help="use cases never calibrated")
    how.add_argument("--include-qc-failed", action="store_true", default=None, help="use cases that failed QC")
    how.add_argument("--scheme", metavar="TSV", help="region scheme for the brain maps (default: the shipped one)")
    how.add_argument("--network", metavar="CODE", help="network of the default path model (default: fpn)")
    how.add_argument("--model", metavar="FILE", help="path model: a file in lavaan syntax, its text, or published")
    how.add_argument("--sem-errors", choices=ERROR_CHOICES, help="standard errors of the path model (default: auto)")
    how.add_argument("--sem-groups", metavar="COLUMN", help="column of groups whose paths are compared, as sex")
    how.add_argument("--sem-engine", choices=ENGINES, help="who fits the path model (default: own)")
    how.add_argument("--missing", choices=("auto", "listwise", "fiml"), help="missing data in the path model")
    how.add_argument("--bootstrap", metavar="N", type=int, help="bootstrap draws of the path model (default: 5000)")
    how.add_argument("--no-cluster", action="store_true", default=None, help="draw cases, not whole sites")
    how.add_argument("--folds", metavar="N", type=int, help="outer folds of the classifiers (default: 5)")
    how.add_argument("--threads", metavar="N", type=int, help="cores for the classifiers (default: 1)")
    how.add_argument("--seed", metavar="N", type=int, help="of everything random (default: 1)")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON on stdout")
    simulated = parser.add_argument_group("a simulated cohort instead")
    simulated.add_argument("--simulate", metavar="N", type=int, help="write a made-up cohort of N cases to OUT")
    simulated.add_argument("--sites", metavar="K", type=int, default=34, help="its sites (default: 34)")
    parser.set_defaults(func=run_command)


def run_command(args: argparse.Namespace) -> int:
    """Run ``cohort``. Returns 0; errors travel to the command line's own handler."""
    if args.simulate is not None:
        return _simulate(args)
    if not args.table:
        raise InputError("No table was given.", "Give processed_cases.csv, or --simulate N.")
    from .analysis import run

    result = run(args.table, args.out, settings_of(args), progress=progress_lines())
    if args.json:
        print(json.dumps(result.as_dict()))
        return 0
    for finding in result.cohort.findings:
        LOG.warning(f"{finding.level}: {finding.sentence}")
    for note in [*result.sem_notes, *(result.sem.notes if result.sem else ())]:
        LOG.warning(f"note: {note}")
    for name, why in result.skipped.items():
        LOG.warning(f"warning: {name} skipped. {why}")
    print(summary(result))
    return 0


def settings_of(args: argparse.Namespace):
    """Settings from the options, over those of the settings file, over the defaults."""
    from .data.settings import Settings

    values: dict = {}
    if args.settings:
        values = read_json(args.settings, f"The file of settings {args.settings}", "Give a JSON file.")
        if not isinstance(values, dict):
            raise InputError(f"The settings {args.settings} are no JSON object.", 'Write {"name": value, ...}.')
    given = {
        "families": _names(args.only),
        "covariates": _names(args.covariates),
        "group_covariates": _names(args.group_covariates),
        "formula": args.formula,
        "random": args.random,
        "severe_cut": args.motor_cut,
        "motor": args.motor,
        "motor_scale": args.motor_scale,
        "min_damaged": args.min_damaged,
        "include_uncalibrated": args.include_uncalibrated,
        "include_qc_failed": args.include_qc_failed,
        "scheme": args.scheme,
        "sem_network": args.network.lower() if args.network else None,
        "sem_model": _model_text(args.model),
        "sem_missing": args.missing,
        "sem_errors": args.sem_errors,
        "sem_groups": args.sem_groups,
        "sem_engine": args.sem_engine,
        "sem_draws": args.bootstrap,
        "sem_cluster": False if args.no_cluster else None,
        "folds": args.folds,
        "threads": args.threads,
        "seed": args.seed,
    }
    return Settings.from_dict({**values, **{name: value for name, value in given.items() if value is not None}})


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _model_text(value: str | None) -> str | None:
    """The text of a path model: of a file, or the formula itself."""
    if value is None or value == "published" or ("~" in value and not _names_a_file(value)):
        return value
    name = f"The model file {value[:200]}"
    with parsing(name, "Give a text file or a formula."):
        return plain_file(Path(value).expanduser(), name).read_text(encoding="utf-8-sig")


def _names_a_file(value: str) -> bool:
    """Whether a text with a ~, the sign of a formula, is a path all the same."""
    try:
        path = Path(value).expanduser()
        return path.is_file() or (" " not in value and path.suffix in (".txt", ".lav", ".lavaan"))
    except (OSError, RuntimeError, ValueError):
        return False


def _simulate(args: argparse.Namespace) -> int:
    from .simulate import simulate_cohort, write_cohort

    path = args.out if args.out.suffix else args.out / "processed_cases.csv"
    write_cohort(simulate_cohort(args.simulate, args.sites, 1 if args.seed is None else args.seed), path)
    print(json.dumps({"table": str(path), "cases": args.simulate}) if args.json else f"Wrote {path}")
    return 0


def summary(result) -> str:
    """What a person wants to read first, as text."""
    from .result import count_sentence
    from .statistics.classification import NESTED

    cohort = result.cohort
    lines = [
        f"{cohort.source}: {len(cohort.data)} of {cohort.rows_read} cases, {cohort.data['site'].nunique()} site(s), "
        f"{len(cohort.networks)} networks"
    ]
    for name, title in (("mixed_models", "lesion volume -> PAD"), ("loads", "load -> PAD")):
        table = result.tables.get(name)
        if table is not None:
            if name == "mixed_models":
                table = table[(table["model"] == "volume") & (table["term"] == "log_lesion_volume")]
            lines.append(f"{title}: {count_sentence(table)}")
    if result.classification is not None:
        rows = result.tables["classifiers"].set_index("classifier")
        auc = rows["auc"]
        lines.append(f"classifiers, {NESTED}: AUC {auc[NESTED]:.3f} (baseline {auc['baseline']:.3f})")
    if result.sem is not None:
        cfi, rmsea = result.sem.measure("cfi"), result.sem.measure("rmsea")
        fit = f"CFI {cfi:.3f}, RMSEA {rmsea:.3f}" if result.sem.measure("df") else "df 0, so it fits any data"
        lines.append(f"path model: n = {result.sem.n}, {fit}")
    return "\n".join([*lines, f"Report: {result.report}"])
