"""The call as a BIDS-App: ``regional-brain-age BIDS_DIR OUTPUT_DIR participant|group``.

BIDS Apps: Gorgolewski et al., PLOS Computational Biology 13, 2017, e1005209.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from RegionalBrainAgeCohortLib import cli as cohort_commands
from RegionalBrainAgeLib.batch.run.local_pool import PEAK_MEMORY_MB
from RegionalBrainAgeLib.case.cli import SCHEME_HELP
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.progress import LOG

from .common_options import add_common_options

LEVELS = ("participant", "group")
USAGE = "regional-brain-age BIDS_DIR OUTPUT_DIR participant|group [options]"
DESCRIPTION = """\
Process a BIDS dataset. 'participant' measures heads and estimates ages; several calls with different
--participant-label may write to one OUTPUT_DIR at the same time. 'group' then makes the table of all cases, the quality
page and the group analysis. Cases that are complete and unchanged are not computed again."""


def is_bids_app_call(argv: Sequence[str], commands: Collection[str]) -> bool:
    """Whether the arguments are those of a BIDS-App rather than a command's."""
    return bool(argv) and argv[0] not in commands and any(word in LEVELS for word in argv)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the call as a BIDS-App."""
    parser = argparse.ArgumentParser(
        prog="regional-brain-age",
        usage=USAGE,
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bids_dir", type=Path, help="BIDS dataset with T1-weighted heads and lesion masks")
    parser.add_argument("output_dir", type=Path, help="folder of the derivative to write")
    parser.add_argument("analysis_level", choices=LEVELS, help="level of the analysis")
    which = parser.add_argument_group("which data")
    labels: dict[str, Any] = {"nargs": "+", "metavar": "LABEL", "default": []}
    which.add_argument("--participant-label", "--participant_label", **labels, help="participants, without sub-")
    which.add_argument("--session-label", "--session_label", **labels, help="sessions, without ses-")
    which.add_argument(
        "--bids-filter-file",
        metavar="JSON",
        type=Path,
        help='which T1 by its entities: {"t1w": {"acquisition": "mprage", "run": 1}}',
    )
    which.add_argument("--derivatives", metavar="NAME", help="folder below derivatives whose lesion masks are used")
    which.add_argument("--require-lesion", action="store_true", help="set heads without a lesion mask aside")
    how = parser.add_argument_group("how, at the level participant")
    how.add_argument("--model", metavar="DIR", type=Path, help="model folder (default: the one shipped)")
    how.add_argument("--scheme", metavar="TSV", type=Path, help=SCHEME_HELP)
    how.add_argument("--calibration", metavar="FILE", type=Path, help="made by 'calibrate' from local controls")
    how.add_argument(
        "--n-cpus", "--workers", metavar="N", type=int, help="most cases at a time (default: cores / threads)"
    )
    how.add_argument("--threads", metavar="N", type=int, default=1, help="threads of each case (default: 1)")
    how.add_argument("--mem-gb", metavar="GB", type=float, default=PEAK_MEMORY_MB / 1000, help="memory of one case")
    how.add_argument("--overwrite", action="store_true", help="compute again what is complete and unchanged")
    group = parser.add_argument_group("how, at the level group")
    group.add_argument("--settings", metavar="JSON", type=Path, help="settings of the analysis (see 'cohort --help')")
    add_common_options(parser)
    parser.set_defaults(func=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run one level. Returns 0, or 3 when cases failed."""
    if not args.bids_dir.is_dir():
        raise InputError(f"There is no BIDS dataset at {args.bids_dir}.", "Give its folder.")
    if args.output_dir.resolve() == args.bids_dir.resolve():
        raise InputError("The output folder is the dataset itself.", "Choose another, for example derivatives/ages.")
    return _participants(args) if args.analysis_level == "participant" else _group(args)


def _participants(args: argparse.Namespace) -> int:
    from RegionalBrainAgeLib.batch.derivative import (
        WORK_NAME,
        lay_out_case,
        selection_name,
        write_dataset_files,
    )
    from RegionalBrainAgeLib.batch.lists.bids import Selection, read_filters
    from RegionalBrainAgeLib.batch.process_many import process_cohort, read_cases
    from RegionalBrainAgeLib.batch.run.options import BatchOptions

    labels, sessions = _labels(args.participant_label, "sub-"), _labels(args.session_label, "ses-")
    entities = read_filters(args.bids_filter_file) if args.bids_filter_file else {}
    options = BatchOptions(
        model=args.model,
        scheme=args.scheme,
        calibration=args.calibration,
        threads=args.threads,
        workers=args.n_cpus,
        memory_per_case_mb=1000 * args.mem_gb,
        resume=not args.overwrite,
        overwrite=args.overwrite,
        require_lesion=args.require_lesion,
        derivatives=args.derivatives,
        selection=Selection(labels, sessions, entities),
        show_bar=not args.quiet,
    )
    write_dataset_files(args.output_dir, args.bids_dir)
    work = args.output_dir / WORK_NAME / selection_name(labels, sessions)
    summary = process_cohort(args.bids_dir, work, options)
    for planned in read_cases(args.bids_dir, options).cases:
        folder = work / planned.case.name
        if folder.exists():
            lay_out_case(folder, args.output_dir, planned.case.t1, args.bids_dir)
    print(summary.as_text())
    return summary.exit_code


def _group(args: argparse.Namespace) -> int:
    from RegionalBrainAgeLib.batch.derivative import gather_cases, write_dataset_files
    from RegionalBrainAgeLib.batch.lists.case_list import split_session
    from RegionalBrainAgeLib.batch.review.quality_page import write_quality_page

    labels, sessions = _labels(args.participant_label, "sub-"), _labels(args.session_label, "ses-")

    def wanted(case_id: str) -> bool:
        label, session = split_session(case_id)
        return (not labels or label in labels) and (not sessions or session in sessions)

    write_dataset_files(args.output_dir, args.bids_dir)
    table, count = gather_cases(args.output_dir, wanted)
    page = write_quality_page(table.parent)
    print(f"{count} cases.\nTable: {table}\nPage: {page}")
    analysis = argparse.ArgumentParser()
    cohort_commands.add_arguments(analysis)
    words = [str(table), "--out", str(table.parent / "analysis")]
    words += ["--settings", str(args.settings)] if args.settings else []
    cohort_args = analysis.parse_args(words)
    cohort_commands.settings_of(cohort_args)  # wrong settings are refused
    try:
        return cohort_commands.run_command(cohort_args)
    except InputError as error:
        # Table and page stand by themselves: a table too small for an analysis is no failure of the level.
        LOG.warning(f"note: There is no group analysis. {error}")
        return 0


def _labels(given: Sequence[str], prefix: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.removeprefix(prefix) for label in given))
