"""A whole cohort with one call: list or dataset in, tables and pages out, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..age.model.calibration import read_calibration
from ..age.model.model_files import load_model
from ..anatomy.regions import load_scheme
from ..case.result.dataset_files import describe_dataset, describe_table
from ..case.result.tables import processed_columns
from ..errors import Cancelled, InputError
from .lists.bids import read_dataset
from .lists.case_list import CaseList, open_list, read_case_list, sessions_by_person
from .lists.parcel_lists import is_parcel_list
from .review.quality_page import write_quality_page
from .run.backends import executor
from .run.batch import BatchSummary, run_batch
from .run.options import BatchOptions
from .run.progress import Progress
from .score import score_list
from .sessions.longitudinal import write_longitudinal
from .sessions.rescans import load_rescans


def process_cohort(
    source: Path | str,
    out_dir: Path | str,
    options: BatchOptions | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> BatchSummary:
    """Process every case of a CSV or BIDS dataset.

    Parameters
    ----------
    source : CSV of cases (`lists.case_list`) or of measured people (`lists.parcel_lists`), or the folder of a BIDS
        dataset (`lists.bids`).
    out_dir : output folder.
    options : how; the defaults if None.
    progress : called as ``progress(text, fraction)``, several times a second while cases are computed on this machine.
    cancelled : asked as often; True ends the batch, which can be resumed.

    Raises
    ------
    InputError : list, options or output folder are not usable; nothing was computed.
    Cancelled : stopped; finished cases are kept.
    """
    source, out_dir, options = Path(source), Path(out_dir), options or BatchOptions()
    if source.is_file() and is_parcel_list(open_list(source)[1]):
        return score_list(source, out_dir, options, progress=progress, cancelled=cancelled)
    case_list = read_cases(source, options)
    scheme = load_scheme(options.scheme)
    # A wrong model or calibration is refused once, not by every case.
    model = load_model(options.model, scheme)
    if options.calibration is not None:
        model.check_calibration(read_calibration(options.calibration))
    columns = processed_columns([network.lower() for network in scheme.networks])
    try:
        with executor(options, out_dir) as execute:
            summary = run_batch(case_list, out_dir, execute, columns, options, progress=progress, cancelled=cancelled)
    except Cancelled:
        write_quality_page(out_dir)  # of what is done; the page of an earlier run would show other cases
        raise
    describe_dataset(out_dir, source if source.is_dir() else None)
    describe_table(summary.table)
    pages = [write_quality_page(out_dir)]
    cases = [planned.case for planned in case_list.cases]
    calibrations = {case.case_id: case.calibration for case in cases if case.calibration is not None}
    if sessions_by_person(planned.case.case_id for planned in case_list.cases):
        pages += filter(None, [write_longitudinal(out_dir, model, load_rescans(), calibrations)])
    return replace(summary, pages=tuple(pages))


def read_cases(source: Path, options: BatchOptions) -> CaseList:
    """The cases of a CSV or BIDS dataset.

    Raises
    ------
    InputError : it is neither.
    """
    if source.is_dir():
        return read_dataset(
            source,
            require_lesion=options.require_lesion,
            calibration=options.calibration,
            derivatives=options.derivatives,
            selection=options.selection,
        )
    if not source.exists():
        raise InputError(f"There is no list of cases at {source}.", "Check the path.")
    return read_case_list(source, calibration=options.calibration)
