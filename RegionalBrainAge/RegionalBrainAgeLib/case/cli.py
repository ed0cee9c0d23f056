"""The commands ``case`` and ``demo``."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from ..progress import progress_lines
from .case import REPORTS, case_from_text
from .result.result import CaseResult

DICOM_HELP = (
    "also write the report (Encapsulated PDF), lesion and regions (SEG) as DICOM, with name and number of the patient "
    "from the T1's series; needs the T1 as a DICOM folder and regional-brain-age[dicom]"
)
SCHEME_HELP = "region scheme the model was trained for (default: the nine networks this software ships)"
EPILOG = """\
Everything about the case is written to OUT/sub-<id>/ (tables, volumes in T1 space, report), and one row to
OUT/processed_cases.csv. Exit codes: 0 ok, 1 failure, 2 bad usage or input, 3 the input was fine but the case failed."""


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Add ``case`` and ``demo`` to the command line."""
    case = subparsers.add_parser(
        "case",
        help="one patient: a head and a lesion in, eighteen regional brain ages out",
        description="Estimate regional brain ages of one patient.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    given = case.add_argument_group("the patient")
    given.add_argument("--t1", metavar="FILE", help="T1-weighted head: NIfTI, MGZ, NRRD or a DICOM folder")
    given.add_argument("--lesion", metavar="FILE", help="lesion mask, any grid in the T1's space; leave out if healthy")
    given.add_argument(
        "--freesurfer", metavar="DIR", help="FreeSurfer or FastSurfer subject folder: its thicknesses and volumes"
    )
    given.add_argument("--age", metavar="YEARS", help="age at the scan")
    given.add_argument("--sex", metavar="F|M", help="sex")
    given.add_argument("--id", metavar="ID", help="case id (default: from the file name)")
    given.add_argument("--site", metavar="SITE", help="scanner or hospital")
    days = ("--days", "--days-post-stroke")
    given.add_argument(*days, metavar="DAYS", dest="days_post_stroke", help="days from stroke to scan")
    given.add_argument("--motor", metavar="0..1", help="motor outcome, for example Fugl-Meyer upper extremity / 66")
    how = case.add_argument_group("how")
    how.add_argument("--calibration", metavar="FILE", help="calibration made by 'calibrate' from local controls")
    how.add_argument("--model", metavar="DIR", help="model folder (default: the one shipped)")
    how.add_argument("--scheme", metavar="TSV", help=SCHEME_HELP)
    how.add_argument(
        "--tract",
        metavar=("LEFT", "RIGHT"),
        nargs=2,
        default=(None, None),
        help="own corticospinal tracts: two NIfTI volumes in MNI space, 0..1 (default: the built-in ones)",
    )
    how.add_argument("--threads", metavar="N", type=positive, default=1, help="threads to use (default: 1)")
    out = case.add_argument_group("output")
    out.add_argument("--out", metavar="DIR", type=Path, required=True, help="output folder")
    out.add_argument("--overwrite", action="store_true", help="replace the case's folder if there is one")
    out.add_argument(
        "--report",
        choices=REPORTS,
        default="interactive",
        help="with a viewer of the head inside, or without (some 5 MB less; default: interactive)",
    )
    out.add_argument("--dicom", action="store_true", help=DICOM_HELP)
    out.add_argument("--keep-paths", action="store_true", help="write full paths of the inputs (default: file names)")
    out.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    case.set_defaults(func=run_case_command)

    demo = subparsers.add_parser(
        "demo",
        help="a whole run with no data of yours: a real head with a simulated lesion",
        description="Process the Colin27 head with a lesion drawn by the lesion simulator.",
    )
    demo.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("demo-output"), help="output folder (default: %(default)s)"
    )
    demo.add_argument("--threads", metavar="N", type=positive, default=1, help="threads to use (default: 1)")
    demo.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    demo.set_defaults(func=run_demo_command)


def run_case_command(args: argparse.Namespace) -> int:
    """Process one case. Returns 0; errors travel to the command line's own handler."""
    fields = ("t1", "lesion", "freesurfer", "age", "sex", "id", "site", "days_post_stroke", "motor", "calibration")
    tract = dict(zip(("tract_left", "tract_right"), args.tract, strict=True))
    case = case_from_text({name: getattr(args, name) for name in fields} | tract)
    from .pipeline import run_case
    from .result.write_case import case_summary

    result = run_case(
        case,
        args.out,
        model=args.model,
        scheme=args.scheme,
        progress=progress_lines(),
        overwrite=args.overwrite,
        threads=args.threads,
        report=args.report,
        keep_paths=args.keep_paths,
        dicom=args.dicom,
    )
    print(json.dumps(case_summary(result)) if args.json else summary(result))
    return 0


def run_demo_command(args: argparse.Namespace) -> int:
    """Process the demonstration head. Returns 0."""
    from .demo import run_demo
    from .result.write_case import case_summary

    result = run_demo(args.out, progress=progress_lines(), threads=args.threads)
    print(json.dumps(case_summary(result)) if args.json else summary(result))
    return 0


def summary(result: CaseResult) -> str:
    """What a person wants to read first, as text."""
    from ..files.wording import percent, plain, signed
    from .report.answer import answer
    from .report.reading import calibrated, regions, why_withheld
    from .report.texts import SIDE_NAMES

    lesion = result.lesion
    age = "not known" if result.case.known_age_years is None else f"{result.case.known_age_years:g}"
    quantity = "PAD" if calibrated(result) else "deviation"
    lines = [
        f"{result.case.name}: age {age}, {result.case.sex}; lesion {plain(lesion.volume_ml)} ml, "
        f"{SIDE_NAMES[lesion.side]}; quality check: {result.qc}",
        answer(result),
        "",
        f"{'region':<8}{'side':<16}{quantity + ', years':>18}{'healthy range':>18}{'load, %':>10}",
    ]
    for row, reading in zip(result.regions, regions(result).values(), strict=True):
        if reading.estimable:
            mark = " *" if reading.outside else ""
            healthy = f"{signed(reading.low_years)} to {signed(reading.high_years)}"
            ages = f"{signed(reading.value_years) + mark:>18}{healthy:>18}"
        else:
            ages = f"{'not read' if why_withheld(result) else 'not estimable':>36}"
        lines.append(f"{row.region:<8}{row.side:<16}{ages}{percent(row.load_fraction):>10}")
    if result.warnings:
        lines += ["", *(f"warning: {text}" for text in result.warnings)]
    if result.folder is not None:
        lines += ["", f"Report: {result.folder / (result.case.name + '_report.html')}"]
    return "\n".join(lines)


def positive(text: str) -> int:
    """The value of an option that counts something.

    Raises
    ------
    argparse.ArgumentTypeError : not a whole number of at least 1.
    """
    if not re.fullmatch("[0-9]+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)
