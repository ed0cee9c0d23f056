"""The commands ``batch``, ``qc``, ``calibrate`` and ``route``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from ..case.case import REPORTS
from ..case.cli import DICOM_HELP, SCHEME_HELP, positive
from ..errors import InputError
from ..files.input_file import refuse_replacing
from ..files.words import POINT_NUMBER
from ..progress import LOG
from .review.decisions import apply_decisions
from .run.local_pool import PEAK_MEMORY_MB
from .run.options import BatchOptions

EPILOG = """\
CASES.csv has one row per case: case_id, t1, lesion, freesurfer, age, sex, site, days_post_stroke, motor, calibration,
tract_left, tract_right, session. With a column 'parcels' (parcel tables) or one column per parcel, ages are computed
without images.
OUT gets a folder per case, processed_cases.csv (in the order of the list), failed_cases.csv with reasons, and a quality
page. A batch that was stopped or killed goes on with --resume.
Exit codes: 0 ok, 1 failure, 2 bad usage or input, 3 some cases failed."""


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Add ``batch``, ``qc``, ``calibrate`` and ``route`` to the command line."""
    batch = subparsers.add_parser(
        "batch",
        help="many patients, on this machine or a cluster",
        description="Estimate regional brain ages of many patients.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    batch.add_argument("cases", metavar="CASES.csv", nargs="?", type=Path, help="list of cases")
    batch.add_argument("--bids", metavar="DATASET", type=Path, help="BIDS dataset instead of a list")
    batch.add_argument("--out", metavar="DIR", type=Path, required=True, help="output folder")
    batch.add_argument("--resume", action="store_true", help="skip cases that are complete and unchanged")
    batch.add_argument("--overwrite", action="store_true", help="compute everything again where there are results")
    how = batch.add_argument_group("how")
    how.add_argument("--model", metavar="DIR", type=Path, help="model folder (default: the one shipped)")
    how.add_argument("--scheme", metavar="TSV", type=Path, help=SCHEME_HELP)
    how.add_argument("--calibration", metavar="FILE", type=Path, help="for cases whose row names none")
    how.add_argument("--require-lesion", action="store_true", help="BIDS: set heads without a lesion mask aside")
    how.add_argument("--derivatives", metavar="NAME", help="BIDS: the folder of derivatives whose masks are used")
    how.add_argument(
        "--thickness-from",
        choices=("freesurfer", "t1"),
        default="freesurfer",
        help="parcel tables: where the thickness is from, if no case.json beside them tells (default: freesurfer)",
    )
    how.add_argument(
        "--report",
        choices=REPORTS,
        default="static",
        help="reports without or with a viewer of the head (some 5 MB more for each case; default: static)",
    )
    how.add_argument("--dicom", action="store_true", help=DICOM_HELP)
    where = batch.add_argument_group("where")
    where.add_argument(
        "--workers",
        metavar="N",
        type=positive,
        help="most cases at a time (default: cores / threads), or SLURM jobs (default: 1)",
    )
    where.add_argument("--threads", metavar="N", type=positive, default=1, help="threads of each case (default: 1)")
    where.add_argument(
        "--memory-per-case",
        metavar="GB",
        type=_positive_number,
        default=PEAK_MEMORY_MB / 1000,
        help="no more cases are started than fit by this (default: %(default)g)",
    )
    where.add_argument("--scheduler", metavar="tls://HOST:PORT", help="a running Dask scheduler")
    where.add_argument("--keys", metavar="DIR", type=Path, help="keys the scheduler was started with (cluster-keys)")
    where.add_argument("--slurm", action="store_true", help="run on SLURM, as --workers jobs (docs/cluster.md)")
    where.add_argument("--slurm-profile", metavar="YAML", type=Path, help="settings of the jobs; implies --slurm")
    batch.add_argument("--keep-paths", action="store_true", help="write full paths of the inputs (default: file names)")
    batch.add_argument("--json", action="store_true", help="print the summary as JSON on stdout")
    batch.set_defaults(func=run_batch_command)

    keys = subparsers.add_parser(
        "cluster-keys",
        help="keys that keep other people off a Dask cluster",
        description=(
            "Make a certificate and a key with which scheduler, workers and 'batch --scheduler' know each other. Who "
            "holds them can run programs as you: the folder is readable for you alone. See docs/cluster.md."
        ),
    )
    keys.add_argument("folder", metavar="DIR", type=Path, help="folder to write, on a path that all machines share")
    keys.set_defaults(func=run_keys_command)

    quality = subparsers.add_parser(
        "qc",
        help="quality page of a batch, and what a reviewer decided",
        description=(
            "Write the quality page of a batch's output folder anew, and enter the decisions of qc.tsv in "
            "processed_cases.csv: a rejected case gets qc = fail, which group analyses leave out."
        ),
    )
    quality.add_argument("out", metavar="OUT", type=Path, help="output folder of a batch")
    quality.add_argument("--decisions", metavar="qc.tsv", type=Path, help="file saved from the quality page")
    quality.set_defaults(func=run_qc_command)

    route = subparsers.add_parser("route", help="estimate how what a route measures differs from FreeSurfer")
    route.add_argument("model", type=Path, help="model folder, or 'default' for the shipped one")
    route.add_argument("people", type=Path, help="healthy people measured by the route: a table, or a folder of cases")
    route.add_argument("--freesurfer", type=Path, help="table of the same people by FreeSurfer; without it, ages tell")
    route.add_argument(
        "--forms",
        type=Path,
        nargs="+",
        metavar="TABLE",
        help="heads measured in several forms (noisier, blurred, of another contrast, mirrored): first a table or "
        "folder of cases in the form of the people, then one per other form",
    )
    route.add_argument("--measured-on", required=True, help="the people, in words")
    route.add_argument("--out", type=Path, required=True, help="route model to write (JSON)")
    route.add_argument("--install", action="store_true", help="put it into the model folder")
    route.set_defaults(func=run_route)

    calibrate = subparsers.add_parser("calibrate", help="calibrate a model to a scanner from healthy controls")
    calibrate.add_argument("model", type=Path, help="model folder, or 'default' for the shipped one")
    calibrate.add_argument(
        "controls",
        type=Path,
        help="healthy people of one scanner: a table as for train, a folder of cases or a batch, or a SUBJECTS_DIR",
    )
    calibrate.add_argument(
        "--controls", dest="column", help="of a batch: column of processed_cases.csv that is true for controls"
    )
    calibrate.add_argument("--participants", type=Path, help="of a SUBJECTS_DIR: participants.tsv with age and sex")
    calibrate.add_argument("--out", type=Path, required=True, help="calibration file to write (JSON)")
    calibrate.set_defaults(func=run_calibrate)


def run_batch_command(args: argparse.Namespace) -> int:
    """Process a list or dataset. Returns 0, or 3 when cases failed; errors travel to the command line's own handler."""
    options = options_from(args)
    from .process_many import process_cohort

    summary = process_cohort(args.cases or args.bids, args.out, options)
    print(json.dumps(asdict(summary), default=str) if args.json else summary.as_text())
    return summary.exit_code


def options_from(args: argparse.Namespace) -> BatchOptions:
    """Options of the command line.

    Raises
    ------
    InputError : options that exclude each other, or a list and a dataset.
    """
    if (args.cases is None) == (args.bids is None):
        raise InputError("Give one thing to process.", "Either CASES.csv or --bids DATASET.")
    if args.bids is not None and not args.bids.is_dir():
        raise InputError(f"There is no BIDS dataset at {args.bids}.", "Give its folder.")
    if args.cases is not None and args.cases.is_dir():
        raise InputError(f"{args.cases} is a folder.", "Give a CSV, or --bids for a BIDS dataset.")
    if args.cases is not None and not args.cases.exists():
        raise InputError(f"There is no list of cases at {args.cases}.", "Check the path.")
    if args.resume and args.overwrite:
        raise InputError("--resume and --overwrite exclude each other.", "Give one of them.")
    if args.dicom:
        from ..case.result.dicom_source import check_packages

        check_packages()
    slurm = args.slurm or args.slurm_profile is not None
    if args.scheduler and slurm:
        raise InputError("--scheduler and --slurm exclude each other.", "Give one of them.")
    return BatchOptions(
        model=args.model,
        scheme=args.scheme,
        calibration=args.calibration,
        threads=args.threads,
        workers=args.workers,
        memory_per_case_mb=1000 * args.memory_per_case,
        resume=args.resume,
        overwrite=args.overwrite,
        require_lesion=args.require_lesion,
        derivatives=args.derivatives,
        keep_paths=args.keep_paths,
        show_bar=not args.quiet,
        scheduler=args.scheduler,
        keys=args.keys,
        slurm=slurm,
        slurm_profile=args.slurm_profile,
        freesurfer_thickness=args.thickness_from == "freesurfer",
        report=args.report,
        dicom=args.dicom,
    )


def run_qc_command(args: argparse.Namespace) -> int:
    """Take over decisions and write the quality page. Returns 0."""
    from .review.quality_page import write_quality_page

    entered = apply_decisions(args.out, args.decisions)
    page = write_quality_page(args.out)
    print(f"{len(entered.accepted)} accepted, {len(entered.rejected)} rejected. Page: {page}")
    if entered.unknown:
        LOG.warning(f"No case of the table has this id, so nothing was decided: {', '.join(entered.unknown)}.")
    return 0


def run_keys_command(args: argparse.Namespace) -> int:
    """Make the keys of a cluster. Returns 0."""
    if any(find_spec(name) is None for name in ("distributed", "cryptography")):
        raise InputError(
            "The packages of a cluster are not installed.", "Install: pip install 'regional-brain-age[cluster]'"
        )
    from .run.cluster_keys import CERTIFICATE, KEY, make_keys

    folder = make_keys(args.folder)
    certificate, key = folder / CERTIFICATE, folder / KEY
    files = f"--tls-ca-file {certificate} --tls-cert {certificate} --tls-key {key}"
    print(f"dask scheduler --host tls://HOST:8786 --no-dashboard {files}")
    print(f"dask worker tls://HOST:8786 --nthreads 1 --no-dashboard {files}")
    return 0


def _positive_number(text: str) -> float:
    if not POINT_NUMBER.fullmatch(text) or not 0 < float(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return float(text)


def run_calibrate(args: argparse.Namespace) -> int:
    """Writes a calibration file."""
    from ..age.model.calibration import calibrate, write_calibration
    from ..age.model.model_files import load_model
    from .controls import read_controls

    refuse_replacing(args.out, args.controls, args.participants)
    model = load_model(args.model)
    controls = read_controls(args.controls, column=args.column, participants=args.participants)
    calibration = calibrate(
        model.folds[-1].norms, model.route_of(controls.route), controls, model.name, model.norms_sha256
    )
    write_calibration(calibration, args.out)
    LOG.info(f"{args.out}: {len(controls)} controls. {calibration.caution}".strip())
    return 0


def run_route(args: argparse.Namespace) -> int:
    """Writes a route model."""
    from dataclasses import replace

    from ..age.features import T1
    from ..age.model.model_files import load_model
    from ..age.model.model_folder import ROUTE_FILES, add_file
    from ..age.model.route import RouteModel, fit_route, fit_route_by_age, route_text, with_forms
    from ..age.model.route_spread import contrast_spread
    from ..age.people import People
    from ..age.people_table import matched_people, read_people
    from ..files.atomic_file import write_atomically
    from ..resources import model_folder
    from .controls import read_controls

    refuse_replacing(args.out, args.people, args.freesurfer, *(args.forms or []))
    model = load_model(args.model)
    norms = model.folds[-1].norms
    people = replace(read_controls(args.people), route=T1)
    forms = [read_controls(path) for path in args.forms or []]

    def with_all_forms(fitted: RouteModel) -> RouteModel:
        return with_forms(fitted, norms, forms[0], forms[1:]) if forms else fitted

    def by_age(people: People) -> RouteModel:
        return with_all_forms(fit_route_by_age(T1, args.measured_on, norms, people))

    if args.freesurfer:
        one, people = matched_people(read_people(args.freesurfer), people)
        by_route, by_freesurfer = norms.standardise(people.values), norms.standardise(one.values)
        found = with_all_forms(fit_route(T1, args.measured_on, by_route, by_freesurfer))
    else:
        found = replace(by_age(people), contrast_spread=contrast_spread(model, by_age, people))
    write_atomically(args.out, route_text(found))
    if args.install:
        add_file(model_folder(args.model), ROUTE_FILES[T1], route_text(found))
    LOG.info(f"{args.out}: {len(people)} people")
    return 0
